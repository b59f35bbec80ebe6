"""Dead letters: which are meant, and what may be done with them."""

import pytest

from postroad.errors import UsageError
from postroad.ledger.base import Attempt, DeadLetter, Outcome, Settlement
from postroad.operations.asking import NotThere, WrongField
from postroad.operations.dead import (
    DeadChange,
    DeadFilter,
    DeadPlace,
    DeadQuery,
    dead_letters,
    drop_dead,
    list_dead,
    resend_dead,
    show_dead,
)

ALL = ["m0", "m1", "m2", "m3", "m4", "m5"]


async def found(regions, *, offsets=None, **wanted):
    """Return the dead letters that are meant."""
    return [entry async for entry in dead_letters(regions, DeadFilter(**wanted), offsets=offsets)]


async def ids(regions, **wanted):
    """Return their message ids."""
    return [entry.message_id for entry in await found(regions, **wanted)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ALL),
        ({"destination": "crm", "event": "E1"}, ["m1", "m3", "m5"]),
        ({"destination": "other"}, []),
        ({"message_id": "m4"}, ["m4"]),
        ({"message_id": ["m4", "m1", "nothing"]}, ["m1", "m4"]),
        ({"message_id": ""}, []),
        ({"message_id": []}, []),
        ({"why": "ANSWERED"}, ALL),
        ({"why": "timeout"}, []),
        ({"since": 1, "until": 3}, ["m1", "m3", "m4"]),
        ({"since": 2, "region": "us"}, ["m4", "m5"]),
    ],
)
async def test_which_are_meant(us, wanted, expected):
    """They come by account and offset, those of ended accounts too, narrowed by what is asked."""
    assert await ids(us.regions, **wanted) == expected


async def test_by_offset(us):
    """Only those at the offsets that are named, each once, and narrowed by the rest."""
    offsets = [us.offsets[4], us.offsets[1], us.offsets[1], 12345]
    assert await ids(us.regions, offsets=offsets) == ["m1", "m4"]
    assert await ids(us.regions, offsets=offsets, event="E0") == ["m4"]


async def test_of_all_regions(us, eu):
    """All regions are looked through in their order, or the one that is named; one that is not there is refused."""
    regions = us.regions | eu.regions
    assert [entry.region for entry in await found(regions, message_id="m3")] == ["us", "eu"]
    assert [entry.region for entry in await found(regions, message_id="m3", region="eu")] == ["eu"]
    with pytest.raises(UsageError, match="only us, eu"):
        await found(regions, region="ue")


async def test_pages(us, eu):
    """Page after page has every dead letter once, over regions and accounts, and the last says that it is the last."""
    regions, seen, after = us.regions | eu.regions, [], None
    for _ in range(3):
        page = await list_dead(regions, DeadQuery(limit=5, after=after))
        seen += [(entry.region, entry.message_id) for entry in page.dead]
        after = page.next
    assert seen == [(region, name) for region in ("us", "eu") for name in ALL]
    assert after is None


@pytest.mark.parametrize("after", ["x", "eu/1/1", "us/1", "us/1/x", f"us/1/{'9' * 30}"])
async def test_where_no_page_begins(us, after):
    """A page begins only where another ended."""
    with pytest.raises(WrongField, match="after"):
        await list_dead(us.regions, DeadQuery(after=after))


async def test_show(us):
    """One is shown with its event and every try; one that is not there is told so."""
    story = await show_dead(us.regions, DeadPlace(region="us", account=1, offset=us.offsets[1]))
    assert (story.letter.message_id, story.letter.served) == ("m1", False)
    assert b'"messageId":"m1"' in bytes(story.body)
    assert [(one.at, one.status, one.why, one.answer) for one in story.failed] == [(3, 410, "answered 410", "gone")]
    with pytest.raises(NotThere):
        await show_dead(us.regions, DeadPlace(region="us", account=2, offset=us.offsets[1]))


async def test_resend(us):
    """Those of an account that is served become retries, and whoever serves it is told."""
    asked = DeadChange(region="us", account=2, offsets=[us.offsets[3], 12345])
    assert (await resend_dead(us.delivered, asked, us.clock)).resent == 1
    assert (await us.ledger.totals(2))[Outcome.RETRY] == 1
    assert us.engine.poked == ["crm"]


async def test_of_an_ended_account(us):
    """Those of an ended account can't be resent, because nobody would send them, and can be dropped."""
    asked = DeadChange(region="us", account=1, offsets=us.offsets[:2])
    with pytest.raises(UsageError, match="can only be dropped"):
        await resend_dead(us.delivered, asked, us.clock)
    assert (await drop_dead(us.delivered, asked)).dropped == 2
    assert await us.ledger.totals(1) == {Outcome.DROPPED: 2}
    assert await ids(us.regions) == ["m2", "m3", "m4", "m5"]


async def test_of_a_held_destination(us):
    """They can't be resent until it is back, which the answer says, and can be dropped."""
    us.configured.clear()
    assert not any(entry.served for entry in await found(us.regions))
    asked = DeadChange(region="us", account=2, offsets=us.offsets[2:3])
    with pytest.raises(UsageError, match="'crm' is held"):
        await resend_dead(us.delivered, asked, us.clock)
    assert (await drop_dead(us.delivered, asked)).dropped == 1


async def test_of_a_replay(us):
    """Those of a replay are told apart, and can be resent as long as its destination is served."""
    await us.engine.open_replay("crm", start=0, end=us.offsets[-1] + (1 << 16))
    await us.die(3, us.offsets[:1])
    told = [(one.account, one.replay, one.served) for one in await found(us.regions, message_id="m0")]
    assert told == [(1, False, False), (3, True, True)]
    asked = DeadChange(region="us", account=3, offsets=us.offsets[:1])
    assert (await resend_dead(us.delivered, asked, us.clock)).resent == 1
    await us.ledger.end_account(2, us.offsets[-1], at=1, by="abandoned")
    assert not any(entry.served for entry in await found(us.regions))


async def test_of_no_account(us):
    """An account that is not there is refused."""
    with pytest.raises(UsageError, match="no account 9"):
        await drop_dead(us.delivered, DeadChange(region="us", account=9, offsets=[1]))


async def test_one_truth(us):
    """Of one that was resent and died again, tries and first try are those of the list of all its tries."""
    offset = us.offsets[5]
    await us.ledger.resend(2, [offset], 50)
    letter = DeadLetter(offset, b"k", (await us.log.get(offset)).value, "E1", "answered 404", 90, 50, 1)
    letter = letter._replace(key=(await us.log.get(offset)).key)
    again = [Attempt(offset, at, 404, "answered 404", "no") for at in (60, 90)]
    await us.ledger.settle(2, Settlement({offset: Outcome.DEAD}, {}, dead=[letter], attempts=again))
    story = await show_dead(us.regions, DeadPlace(region="us", account=2, offset=offset))
    assert (story.letter.tries, story.letter.first_at) == (len(story.failed), story.failed[0].at) == (3, 3)
