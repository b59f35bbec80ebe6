"""What one destination's loop promises about its stores: restarts, outages, bounds and an orderly end."""

import asyncio

import pytest
from bench import Scripted, calm, plan

from postroad.delivery import backlog as backlog_module
from postroad.delivery import sender as sender_module
from postroad.delivery import settler as settler_module
from postroad.delivery import worker as worker_module
from postroad.delivery.breaker import FAILURES
from postroad.destinations.base import Refused, Retry
from postroad.errors import StoreUnavailable
from postroad.ledger.base import Outcome, Settlement
from postroad.log.base import BLOCK_SPAN


async def test_a_restart_sends_exactly_what_was_not_settled(bench):
    """After a crash all that was not settled is sent again, and nothing that was, even beyond the cursor."""
    await bench.append("a", "b", "c")
    await bench.append("d", "e")
    await bench.start(Scripted({"b": [None], "d": [None], "c": [Retry("busy", 50)]}))
    assert await bench.totals() == {"DELIVERED": 2, "RETRY": 1}
    await bench.kill()
    destination = Scripted()
    await bench.start(destination)
    assert destination.seen == ["b", "d"]
    await bench.pass_time(60)
    assert destination.seen == ["b", "d", "c"]
    assert await bench.totals() == {"DELIVERED": 5}
    assert (await bench.account()).cursor == 2 * BLOCK_SPAN


async def test_what_was_sent_but_not_durable_is_sent_again(bench):
    """A crash between the send and the settlement costs a second send, never an event."""
    await bench.append("a")
    bench.ledger.hold = asyncio.Event()
    first, second = Scripted(), Scripted()
    await bench.start(first)
    await bench.kill()
    bench.ledger.hold = None
    await bench.start(second)
    assert first.seen == second.seen == ["a"]
    assert await bench.totals() == {"DELIVERED": 1}


async def test_settled_blocks_do_not_stop_the_reading(bench, monkeypatch):
    """After a restart, blocks that were settled beyond the cursor are passed even if nothing else happens."""
    monkeypatch.setattr(backlog_module, "READ_BYTES", 1)
    await bench.append("a")
    for number in range(5):
        await bench.append(f"b{number}")
    await bench.start(Scripted({"a": [None]}))
    await bench.kill()
    await bench.append("c")
    destination = Scripted({"a": [None]})
    await bench.start(destination)
    assert destination.seen == ["a", "c"]
    await bench.kill()


async def test_an_outage_of_the_ledger_is_waited_out(bench):
    """While the ledger can't be written outcomes wait; all are settled when it can, without a second send."""
    await bench.append("a", "b")
    bench.ledger.broken = StoreUnavailable("the disk is full")
    destination = Scripted({"b": [Refused("HTTP 400")]})
    await bench.start(destination)
    await bench.append("c")
    await bench.pass_time(1)
    assert await bench.totals() == {}
    bench.ledger.broken = None
    await bench.pass_time(1)
    assert sorted(destination.seen) == ["a", "b", "c"]
    assert await bench.totals() == {"DELIVERED": 2, "DEAD": 1}


async def test_an_unreadable_ledger_is_waited_out(bench):
    """While the ledger can't be read retries wait, and nothing else does; then they are sent too."""
    await bench.append("a")
    destination = Scripted({"a": [Retry("busy", 10)]})
    await bench.start(destination)
    bench.ledger.unreadable = StoreUnavailable("gone")
    await bench.append("b")
    await bench.pass_time(20)
    assert destination.seen == ["a", "b"]
    assert bench.worker.state == "waiting: gone"
    bench.ledger.unreadable = None
    await bench.pass_time(1)
    assert destination.seen == ["a", "b", "a"]
    assert bench.worker.state == "running"
    assert await bench.totals() == {"DELIVERED": 2}


async def test_a_dead_destination_fills_no_ledger(bench, monkeypatch):
    """While nothing gets through the backlog stays in the log, the ledger is left in peace, and all goes on later."""
    monkeypatch.setattr(backlog_module, "READ_BYTES", 1)
    for number in range(30):
        await bench.append(f"m{number}")
    destination = Scripted(otherwise=Retry("busy", 100))
    await bench.start(destination, plan(concurrency=1))
    assert (await bench.totals())["RETRY"] == FAILURES
    retries = bench.ledger.calls["retries"]
    for number in range(30, 35):
        await bench.append(f"m{number}")
        bench.worker.poke()
        await calm()
    assert bench.ledger.calls["retries"] - retries <= 5  # one a poke
    for _ in range(5):
        await bench.pass_time(120)
    assert (await bench.totals())["RETRY"] == FAILURES + 4  # one a probe
    destination.otherwise = Scripted().otherwise
    for _ in range(5):
        await bench.pass_time(121)
    assert await bench.totals() == {"DELIVERED": 35}


async def test_an_idle_worker_asks_nothing(bench):
    """A worker with a retry far away leaves the ledger alone, however long it waits and whatever rings."""
    await bench.append("a")
    await bench.start(Scripted({"a": [Retry("busy", 3600)]}))
    calls = bench.ledger.calls.total()
    for _ in range(50):
        await bench.pass_time(60)
    assert bench.ledger.calls.total() == calls


async def test_an_orderly_end(bench):
    """At the end sends that are under way may finish and are settled, none begins, the destination is closed."""
    gate = asyncio.Event()
    await bench.append("a", "b")
    destination = Scripted({"a": [gate]})
    await bench.start(destination, plan(concurrency=1))
    bench.task.cancel()
    await calm()
    assert (bench.task.done(), destination.closed) == (False, 0)
    gate.set()
    await calm()
    assert (bench.task.cancelled(), destination.closed) == (True, 1)
    assert destination.delivered == ["a"]
    assert list(await bench.ledger.outcomes(1, 0)) == [1, 0]


async def test_an_end_that_is_cut_short(bench, monkeypatch):
    """Cancelled once more, it cuts off what is under way, which stays owed, and closes the destination all the same."""
    await bench.append("a")
    destination, under_way_at_close = Scripted({"a": [None]}), []

    async def close():
        under_way_at_close.append(destination.under_way)

    monkeypatch.setattr(destination, "close", close)
    await bench.start(destination)
    bench.task.cancel()
    await calm()
    assert (destination.under_way, under_way_at_close) == (1, [])
    bench.task.cancel()
    await calm()
    assert (bench.task.cancelled(), under_way_at_close) == (True, [0])
    assert await bench.totals() == {}


async def test_an_end_waits_no_longer_than_it_has_to(bench, monkeypatch, logged):
    """A destination that does not close in time is left as it is, and the log says so."""
    monkeypatch.setattr(worker_module, "_CLOSING", 0)
    destination = Scripted()
    monkeypatch.setattr(destination, "close", asyncio.Event().wait)
    await bench.start(destination)
    bench.task.cancel()
    await asyncio.wait([bench.task], timeout=5)
    assert bench.task.cancelled()
    assert [line["event"] for line in logged] == ["the destination couldn't be closed in time"]


async def test_an_end_survives_a_destination_that_cannot_close(bench, monkeypatch):
    """A destination that raises when it is closed doesn't turn the end into a failure."""

    async def close():
        raise RuntimeError("bug")

    destination = Scripted()
    monkeypatch.setattr(destination, "close", close)
    await bench.start(destination)
    bench.task.cancel()
    await asyncio.wait([bench.task])
    assert bench.task.cancelled()


async def test_a_bug_in_settling_comes_to_light(bench):
    """What settling raises ends the worker with that error, once the sends under way have ended."""
    gate = asyncio.Event()
    await bench.append("a", "b")
    bench.ledger.broken = ValueError("a bug")
    destination = Scripted({"b": [gate]})
    await bench.start(destination)
    assert not bench.task.done()
    gate.set()
    await calm()
    assert bench.task.done()
    assert destination.closed == 1
    with pytest.raises(ValueError, match="a bug"):
        bench.task.result()


async def test_expiry_does_not_wait_for_a_worker_that_has_ended(bench, monkeypatch):
    """Whoever lets events expire gets an answer although the worker ended, with outcomes that it couldn't settle."""
    monkeypatch.setattr(settler_module, "FULL", 1)
    monkeypatch.setattr(backlog_module, "READ_BYTES", 1)
    for name in "abcdef":
        await bench.append(name)
    bench.ledger.hold, bench.ledger.broken = asyncio.Event(), ValueError("a bug")
    await bench.start(Scripted(), plan(concurrency=1))
    expiring = asyncio.create_task(bench.worker.expire(6 * BLOCK_SPAN))
    await calm()
    assert not expiring.done()
    bench.ledger.hold.set()
    await calm()
    assert bench.task.done()
    assert expiring.done()
    with pytest.raises(ValueError, match="a bug"):
        bench.task.result()


async def test_a_bug_in_a_delivery_comes_to_light(bench, monkeypatch):
    """What goes wrong between a send and its outcome ends the worker, or the event would be owed for ever."""

    def judge(*_: object):
        raise ZeroDivisionError

    monkeypatch.setattr(sender_module, "judge", judge)
    await bench.append("a")
    destination = Scripted({"a": [Retry("busy")]})
    await bench.start(destination)
    assert (bench.task.done(), destination.closed) == (True, 1)
    with pytest.raises(ZeroDivisionError):
        bench.task.result()
    assert (await bench.account()).cursor == 0


async def test_a_backlog_stays_in_the_log(bench, monkeypatch):
    """However much waits, only one read of it is in memory: the next comes when that has been handed out."""
    monkeypatch.setattr(backlog_module, "READ_BYTES", 1)
    reads = []
    read = bench.log.read

    async def counted(start: int, max_bytes: int):
        reads.append(start)
        return await read(start, max_bytes)

    monkeypatch.setattr(bench.log, "read", counted)
    for number in range(50):
        await bench.append(f"a{number}", f"b{number}")
    gate = asyncio.Event()
    destination = Scripted(otherwise=gate)
    await bench.start(destination, plan(concurrency=2))
    assert (len(destination.seen), reads) == (2, [0])
    gate.set()
    for _ in range(5):
        await calm()
    assert await bench.totals() == {"DELIVERED": 100}


async def test_a_dead_letter_resent_in_the_same_breath_is_not_missed(bench):
    """A dead letter may be resent as soon as the ledger has it, before the loop knows that it does."""
    (offset,) = await bench.append("a")
    destination = Scripted({"a": [Retry("busy", 10), Refused("HTTP 400")]})
    settle = bench.ledger.settle

    async def settle_and_resend(account: int, settlement: Settlement) -> None:
        await settle(account, settlement)
        if settlement.dead:
            bench.ledger.settle = settle
            await bench.ledger.resend(1, [offset], bench.clock.now())
            bench.worker.poke()
            await calm()

    bench.ledger.settle = settle_and_resend
    await bench.start(destination)
    await bench.pass_time(12)
    await calm()
    assert destination.seen == ["a", "a", "a"]
    assert (await bench.ledger.outcomes(1, 0))[0] == Outcome.DELIVERED


async def test_a_dead_letter_resent_in_the_same_breath_is_sent_once(bench):
    """While that breath lasts the letter is not taken up, so that its end can't make it pass for one that waits."""
    breath, gate = asyncio.Event(), asyncio.Event()
    (offset,) = await bench.append("a")
    destination = Scripted({"a": [Refused("HTTP 400"), gate]})
    settle = bench.ledger.settle

    async def settle_slowly(account: int, settlement: Settlement) -> None:
        await settle(account, settlement)
        if settlement.dead:
            await breath.wait()

    bench.ledger.settle = settle_slowly
    await bench.start(destination)
    await bench.ledger.resend(1, [offset], bench.clock.now())
    for _ in range(2):
        bench.worker.poke()
        await calm()
        breath.set()
    bench.worker.poke()
    await calm()
    assert destination.seen == ["a", "a"]
    gate.set()
    await calm()
    assert await bench.totals() == {"DELIVERED": 1}
