"""Replays: a stretch of the log once more, in an account of its own, stopped and resumed."""

import asyncio
from collections import Counter

import pytest
from batched import Batched, fine
from bench import calm, entry, plan

from postroad.delivery.engine import Engine, Service
from postroad.destinations.base import Refused, Retry
from postroad.errors import UsageError
from postroad.ledger.base import Outcome
from postroad.log.base import BLOCK_SPAN
from postroad.operations.audit.books import AccountCheck


async def run(bench, destination, **more):
    """Run an engine with the destination `hook`."""
    served = plan(concurrency=1)._replace(**more)
    engine = Engine([Service(served, lambda: destination, from_beginning=True)], bench.log, bench.ledger, bench.clock)
    bench.task = asyncio.create_task(engine.run())
    await calm()
    return engine


async def check(bench, number):
    """Assert that the books of an account balance with the log."""
    account = await bench.ledger.account(number)
    books = AccountCheck(account, bench.ledger, 0)
    for block in await bench.log.read(0, 1 << 30):
        await books.take(block.number, len(block.records))
    found = await books.finish(None)
    assert found.balanced, found.problems
    return found


async def test_a_replay_is_delivered_beside_the_live_account(bench):
    """Its range is sent once more and counted in its own account, which then owes nothing; the live one goes on."""
    for number in range(4):
        await bench.append(f"a{number}", f"b{number}")
    destination = Batched()
    engine = await run(bench, destination)
    account = await engine.open_replay("hook", start=BLOCK_SPAN, end=3 * BLOCK_SPAN)
    await bench.append("live")
    await calm()
    assert Counter(destination.delivered)["a1"] == Counter(destination.delivered)["b2"] == 2
    assert Counter(destination.delivered)["a0"] == Counter(destination.delivered)["a3"] == 1
    assert Counter(destination.delivered)["live"] == 1
    assert await bench.totals(account.number) == {"DELIVERED": 4}
    assert (await bench.ledger.account(account.number)).cursor == 3 * BLOCK_SPAN
    assert engine.replay_states() == {}
    assert (await check(bench, account.number)).owed == 4
    assert await bench.totals(1) == {"DELIVERED": 9}
    assert destination.closed == 0
    await bench.stop()
    assert destination.closed == 1


async def test_a_replay_may_begin_and_end_inside_a_block(bench):
    """Only what is from its start up to its end is sent and counted."""
    offsets = await bench.append("a", "b", "c", "d")
    destination = Batched()
    engine = await run(bench, destination)
    account = await engine.open_replay("hook", start=offsets[1], end=offsets[3])
    await calm()
    assert destination.delivered[4:] == ["b", "c"]
    assert await bench.totals(account.number) == {"DELIVERED": 2}
    await check(bench, account.number)


async def test_a_replay_of_some_events(bench):
    """Events of other names are none of its business; what the live rules filter is filtered here too."""
    await bench.log.append([entry("a", name="Order Placed"), entry("b", name="Other"), entry("c", name="Order Placed")])
    await bench.log.append([entry("d", name="Order Placed", integrations={"All": False})])
    destination = Batched()
    engine = await run(bench, destination)
    account = await engine.open_replay("hook", start=0, end=2 * BLOCK_SPAN, events=["Order Placed"])
    await calm()
    assert destination.delivered[3:] == ["a", "c"]
    assert await bench.totals(account.number) == {"DELIVERED": 2, "FILTERED_INTEGRATIONS": 1}
    assert (await bench.ledger.outcomes(account.number, 0))[1] == Outcome.OUT_OF_ACCOUNT
    assert (await check(bench, account.number)).owed == 3


async def test_a_replay_has_its_own_rate(bench):
    """It sends so many events a second, whatever the live account does."""
    await bench.append(*"abcdefgh")
    destination = Batched()
    engine = await run(bench, destination)
    await engine.open_replay("hook", start=0, end=BLOCK_SPAN, rate=2)
    for _ in range(4):
        await bench.pass_time(0.5)
    assert 4 <= len(destination.delivered) - 8 <= 5
    await bench.append("live")
    await calm()
    assert "live" in destination.delivered


async def test_a_replay_ends_when_its_retries_are_done(bench):
    """What fails is tried again before the replay counts as done."""
    await bench.append("a", "b")
    destination = Batched()
    engine = await run(bench, destination)
    failing = [[Retry("busy", 10)]]
    destination.answer = lambda ids: failing.pop() if failing and ids == ["a"] else fine(ids)
    account = await engine.open_replay("hook", start=0, end=BLOCK_SPAN)
    await calm()
    assert engine.replay_states() == {account.number: "running"}
    assert bench.ledger.calls["retries"] < 10  # it waits for them
    await bench.pass_time(12)
    assert engine.replay_states() == {}
    assert await bench.totals(account.number) == {"DELIVERED": 2}


async def test_a_replay_goes_on_after_a_crash(bench):
    """A replay that a crash interrupted is taken up where it was, with its filter."""
    await bench.log.append([entry("a"), entry("b"), entry("x", name="Other"), entry("c")])
    destination = Batched()
    engine = await run(bench, destination)
    gate = asyncio.Event()

    class Hanging(Batched):
        async def send(self, events):
            if events[0].message_id == "b":
                await gate.wait()
            return await super().send(events)

    await bench.stop()
    hanging = Hanging()
    engine = await run(bench, hanging)
    account = await engine.open_replay("hook", start=0, end=BLOCK_SPAN, events=["Order Placed"])
    await calm()
    assert hanging.delivered == ["a"]
    await bench.kill()
    again = Batched()
    await run(bench, again)
    assert again.delivered == ["b", "c"]
    assert await bench.totals(account.number) == {"DELIVERED": 3}
    await check(bench, account.number)


async def test_a_replay_can_be_stopped(bench):
    """What was begun is settled, the rest is not owed any more or abandoned, and the books balance."""
    for number in range(50):
        await bench.append(f"a{number}", f"b{number}")
    destination = Batched()
    engine = await run(bench, destination)
    destination.answer = lambda ids: [Retry("busy", 1000)] if ids == ["a1"] else fine(ids)
    account = await engine.open_replay("hook", start=0, end=50 * BLOCK_SPAN, rate=1)
    for _ in range(8):
        await bench.pass_time(1)
    await engine.stop_replay(account.number)
    await engine.stop_replay(account.number)
    sent = len(destination.batches)
    await bench.pass_time(2000)
    assert len(destination.batches) == sent
    found = await check(bench, account.number)
    assert (found.pending, found.outcomes["abandoned"] >= 1, found.outcomes["delivered"] >= 7) == (0, True, True)
    assert not found.open
    with pytest.raises(UsageError, match="not a replay"):
        await engine.stop_replay(1)
    with pytest.raises(UsageError, match="no destination"):
        await engine.open_replay("nobody", start=0, end=1)
    with pytest.raises(UsageError, match="rate"):
        await engine.open_replay("hook", start=0, end=1, rate=0)


async def test_dead_letters_of_a_replay_can_be_resent(bench):
    """A dead letter of a replay that ended is delivered after a poke, in the replay's account."""
    (offset,) = await bench.append("a")
    destination = Batched()
    engine = await run(bench, destination)
    destination.answer = lambda _: [Refused("no")]
    account = await engine.open_replay("hook", start=0, end=BLOCK_SPAN)
    await calm()
    assert await bench.totals(account.number) == {"DEAD": 1}
    destination.answer = fine
    await bench.ledger.resend(account.number, [offset], bench.clock.now())
    engine.poke("hook")
    await calm()
    assert await bench.totals(account.number) == {"DELIVERED": 1}
    assert engine.replay_states() == {}


async def test_a_replay_of_what_is_gone_ends(bench):
    """A range of which retention has removed everything is done at once."""
    await bench.append("a")
    destination = Batched()
    engine = await run(bench, destination)
    await bench.pass_time(100)
    await bench.append("b")
    await bench.log.retire(BLOCK_SPAN, 1)
    account = await engine.open_replay("hook", start=0, end=BLOCK_SPAN)
    await calm()
    assert engine.replay_states() == {}
    assert (await bench.ledger.account(account.number)).cursor >= BLOCK_SPAN


async def test_the_replays_of_a_held_destination(bench):
    """They are kept and not served while it is gone, and none can be begun; when it is abandoned, so are they."""
    await bench.append("a", "b")
    destination = Batched()
    engine = await run(bench, destination)
    destination.answer = lambda ids: [Retry("busy", 1000)] * len(ids)
    account = await engine.open_replay("hook", start=0, end=BLOCK_SPAN)
    await calm()
    await bench.stop()
    unread = await bench.ledger.open_account("hook", start=0, at=0, end=BLOCK_SPAN, replay='{"events":["Other"]}')
    engine = Engine([], bench.log, bench.ledger, bench.clock)
    bench.task = asyncio.create_task(engine.run())
    await bench.pass_time(2000)
    assert engine.replay_states() == {}
    assert await bench.totals(account.number) == {"RETRY": 2}
    with pytest.raises(UsageError, match="'hook' is held"):
        await engine.open_replay("hook", start=0, end=BLOCK_SPAN)
    await engine.abandon("hook")
    await calm()
    assert await bench.totals(account.number) == {"ABANDONED": 2}
    assert await bench.totals(unread.number) == {}
    await check(bench, account.number)
    await check(bench, unread.number)


async def test_a_destination_that_may_expire_holds_back_nothing(bench):
    """An engine lets expire, every minute, what is older than its destination keeps the log for."""
    await bench.append("a", "b")
    engine = await run(bench, Batched(lambda ids: [Retry("busy")] * len(ids)), expire_after=600.0)
    for _ in range(60):
        await bench.append("c" + str(bench.clock.now()))
        await bench.pass_time(60)
    assert (await bench.totals(1))["EXPIRED"] >= 40
    assert await bench.ledger.floor(1) >= 40 * BLOCK_SPAN
    assert engine.states()["hook"].startswith("open: busy")


async def test_a_replay_of_some_time(bench):
    """What was received in its time is sent, wherever it is in the stretch; the rest is none of its business."""
    for at, name in enumerate("dbca"):
        await bench.log.append([entry(name, received_at=at)])
    destination = Batched()
    engine = await run(bench, destination)
    account = await engine.open_replay("hook", start=0, end=await bench.log.end(), since=1, until=3)
    await calm()
    assert destination.delivered[4:] == ["b", "c"]
    assert await bench.totals(account.number) == {"DELIVERED": 2}
    await check(bench, account.number)
