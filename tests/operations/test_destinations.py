"""Who is owed events, and what is held."""

import pytest

from postroad.errors import UsageError
from postroad.ledger.base import Outcome, RetryRow, Settlement
from postroad.log.base import BLOCK_SPAN
from postroad.operations.destinations import (
    DestinationPlace,
    HoldWanted,
    OnHold,
    abandon,
    list_destinations,
    release,
    try_now,
)
from postroad.operations.destinations import (
    hold as hold_on_purpose,
)
from postroad.operations.status import report


async def hold(us):
    """Take the destination out of the configuration, with an event of its last block in retry."""
    us.configured.clear()
    offset = us.offsets[5]
    retry = RetryRow(offset, 9, 1, 1, "busy")
    await us.ledger.settle(2, Settlement({offset: Outcome.RETRY}, {offset >> 16: 1}, None, [retry]))


async def test_what_is_held(us):
    """Each is told with what it is owed; one that is not configured is held, even if it has only a starting offset."""
    await hold(us)
    await us.engine.open_replay("crm", start=0, end=BLOCK_SPAN)
    us.starting_offsets.update({"crm": 0, "early": us.offsets[3]})
    found = (await list_destinations(us.regions)).destinations
    assert [(one.id, one.state, one.waiting, one.retrying, one.replays) for one in found] == [
        ("crm", "held: not in the configuration", 0, 1, 1),
        ("early", "held: not in the configuration", 3, 0, 0),
    ]
    assert all(one.log_bytes > 0 for one in found)


async def test_what_is_written_off_is_told(us):
    """An abandoned destination is told until all that it was owed is written off."""
    await us.ledger.end_account(2, 9 * BLOCK_SPAN, at=1, by="abandoned")
    found = (await list_destinations(us.regions)).destinations
    assert [(one.id, one.state, one.waiting) for one in found] == [("crm", "abandoned: being written off", 0)]
    await us.ledger.settle(2, Settlement({}, {}, 9 * BLOCK_SPAN))
    assert (await list_destinations(us.regions)).destinations == []


async def test_abandon(us):
    """Whoever serves the region is asked; what it refuses, and a region that is not there, is refused."""
    await abandon(us.delivered, DestinationPlace(region="us", name="my old.crm"))
    assert us.engine.abandoned == ["my old.crm"]
    for region, name, why in (("us", "crm", "in the configuration"), ("eu", "crm", "only us")):
        with pytest.raises(UsageError, match=why):
            await abandon(us.delivered, DestinationPlace(region=region, name=name))


async def test_what_is_held_on_purpose(us):
    """It is listed, and shown by status and audit, as held on purpose with who, when and why, until it is released."""
    place = DestinationPlace(region="us", name="crm")
    await hold_on_purpose(us.delivered, HoldWanted(region="us", name="crm", by="ada", why="it moves"))
    sentence = "held: on purpose since 2023-11-14T22:13:20.000Z by ada: it moves"
    (entry,) = (await list_destinations(us.regions)).destinations
    assert (entry.state, entry.held, entry.gone) == (sentence, True, False)
    assert entry.hold == OnHold(us.engine.now, "ada", "it moves")
    (told,) = await report(us.regions, us.clock)
    (status,) = told.status.destinations
    assert (status.state, status.held, status.running) == (sentence, True, False)
    us.configured.clear()
    (entry,) = (await list_destinations(us.regions)).destinations
    assert (entry.state, entry.gone, entry.hold.by) == ("held: not in the configuration", True, "ada")
    us.configured.add("crm")
    assert (await try_now(us.delivered, place)).due == 0
    await release(us.delivered, place)
    (entry,) = (await list_destinations(us.regions)).destinations
    assert (entry.state, entry.hold) == ("served", None)
    with pytest.raises(UsageError, match="not on hold"):
        await release(us.delivered, place)
