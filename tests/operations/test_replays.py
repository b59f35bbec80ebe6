"""Replays: what they are limited to, and how far they have come."""

import pytest

from postroad.errors import UsageError
from postroad.ledger.base import Outcome, Settlement
from postroad.log.base import BLOCK_SPAN
from postroad.operations.replays import ReplayPlace, ReplayWanted, begin_replay, list_replays, replays, stop_replay


async def test_a_stretch_of_time(us):
    """A replay has the blocks of its time and of what was written late, its names, its rate and its time itself, and
    is listed with how far it has come.
    """
    at = us.clock.now() - 4_000_000
    wanted = ReplayWanted(region="us", destination="crm", since=at, until=at + 2_000_000, events=["E0"], rate=5)
    begun = await begin_replay(us.delivered, wanted)
    assert (begun.region, begun.number, begun.total) == ("us", 3, 4)
    account = await us.ledger.account(3)
    assert (account.start, account.end) == (us.offsets[2], us.offsets[5] + BLOCK_SPAN)
    first = us.offsets[2]
    await us.ledger.settle(3, Settlement({first: Outcome.DELIVERED}, {first >> 16: 1}, first + BLOCK_SPAN))
    (status,) = (await list_replays(us.delivered)).replays
    assert (status.passed, status.total, status.state) == (1, 4, "waiting")
    assert (status.since, status.until) == (at, at + 2_000_000)
    assert (status.events, status.rate, status.outcomes) == (["E0"], 5, {"delivered": 1})
    await stop_replay(us.delivered, ReplayPlace(region="us", number=3))
    assert us.engine.stopped == [3]


@pytest.mark.parametrize(("member", "value", "why"), [("until", 5, "nothing to replay"), ("region", "eu", "only us")])
async def test_what_is_refused(us, member, value, why):
    """A replay of nothing, or in a region that is not there, is refused and opens no account."""
    with pytest.raises(UsageError, match=why):
        await begin_replay(us.delivered, ReplayWanted(**{"region": "us", "destination": "crm", member: value}))
    assert len(await us.ledger.accounts()) == 2


async def test_states(us):
    """Where nobody knows what a replay does it is not running; of a held destination it is held, or written off."""
    await us.engine.open_replay("crm", start=0, end=BLOCK_SPAN)
    region = us.regions["us"]
    assert [one.state for one in await replays(region)] == ["not running"]
    assert [one.state for one in await replays(region, {3: "delivering"})] == ["delivering"]
    us.configured.clear()
    assert [one.state for one in await replays(region, {3: "delivering"})] == ["held: not in the configuration"]
    await us.ledger.end_account(3, BLOCK_SPAN, at=1, by="abandoned")
    assert [one.state for one in await replays(region)] == ["abandoned"]
