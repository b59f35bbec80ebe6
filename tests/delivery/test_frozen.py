"""Frozen batches: what is sent again is exactly what was sent before, also after a crash."""

import asyncio

import pytest
from batched import Batched, fine
from bench import calm, plan

from postroad.config.model import Rate
from postroad.delivery import backlog as backlog_module
from postroad.delivery.breaker import FAILURES
from postroad.destinations.base import BatchLimits, Delivered, Pause, Refused, Retry, Split
from postroad.errors import StoreUnavailable
from postroad.ledger.base import FrozenBatch
from postroad.log.base import BLOCK_SPAN

IDS = [f"m{number}" for number in range(6)]


def freezing(max_events: int = 3, **more):
    """Return a plan with one send at a time, whose batches are frozen."""
    return plan(concurrency=1)._replace(batch=BatchLimits(max_events, 1 << 20, 0, frozen=True), **more)


def busy(ids):
    """Fail as a whole."""
    return [Retry("busy")] * len(ids)


async def test_it_is_in_the_ledger_before_it_is_sent(bench):
    """While a batch is sent the ledger has it, with its records in order; once it is settled it has not."""
    offsets = await bench.append(*IDS)
    kept = []

    class Looking(Batched):
        async def send(self, events):
            kept.append([list(one.offsets) for one in await bench.ledger.frozen(1)])
            return await super().send(events)

    await bench.start(Looking(), freezing())
    assert kept == [[list(offsets[:3])], [list(offsets[3:])]]
    assert await bench.ledger.frozen(1) == []
    assert await bench.totals() == {"DELIVERED": 6}


async def test_it_is_tried_again_whole(bench):
    """If any of it needs another try, all of it is sent again and nothing of it is settled; nothing joins it."""
    await bench.append(*IDS[:3])
    answers = [[Delivered(), Retry("busy", 10), Refused("no")]]
    destination = Batched(lambda ids: answers.pop() if answers else fine(ids))
    await bench.start(destination, freezing(10))
    assert await bench.totals() == {}
    (waits,) = await bench.ledger.frozen(1)
    assert (waits.tries, waits.why) == (1, "busy")
    await bench.append(*IDS[3:])
    await calm()
    await bench.pass_time(12)
    assert destination.batches == [IDS[:3], IDS[3:], IDS[:3]]
    assert await bench.totals() == {"DELIVERED": 6}


@pytest.mark.parametrize("read_bytes", [1, 1 << 20])
async def test_a_crash_changes_nothing_of_it(bench, monkeypatch, read_bytes):
    """After a crash the batches that were begun are sent again as they were, though more may have been read."""
    monkeypatch.setattr(backlog_module, "READ_BYTES", read_bytes)
    await bench.append("m0", "m1")
    await bench.append("m2", "m3", "m4")
    hang = asyncio.Event()

    class Hanging(Batched):
        async def send(self, events):
            self.batches.append([event.message_id for event in events])
            await hang.wait()
            return []

    first = Hanging()
    await bench.start(first, freezing()._replace(concurrency=2))
    assert first.batches == [["m0", "m1", "m2"], ["m3", "m4"]]
    await bench.kill()
    await bench.append("m5")
    again = Batched()
    await bench.start(again, freezing(100))
    assert sorted(again.batches) == [["m0", "m1", "m2"], ["m3", "m4"], ["m5"]]
    assert await bench.totals() == {"DELIVERED": 6}
    assert (await bench.account()).cursor == await bench.log.end()


async def test_a_crash_forgets_neither_tries_nor_time(bench):
    """After a crash a batch that waits is sent when it was due, with the tries it had."""
    await bench.append("m0", "m1")
    await bench.start(Batched(lambda _: [Retry("busy", 100)] * 2), freezing())
    await bench.kill()
    again = Batched(lambda _: [Retry("busy", 100)] * 2)
    await bench.start(again, freezing())
    await bench.pass_time(99)
    assert again.batches == []
    await bench.pass_time(22)
    assert again.batches == [["m0", "m1"]]
    assert [one.tries for one in await bench.ledger.frozen(1)] == [2]


async def test_it_dies_of_age_as_one(bench):
    """A batch that fails too long while others succeed is given up, each of its events with the reason."""
    await bench.append("bad", "m0")
    destination = Batched(lambda ids: busy(ids) if "bad" in ids else fine(ids))
    await bench.start(destination, freezing())
    for number in range(60):
        await bench.append(f"good{number}")
        await bench.pass_time(3600)
    assert await bench.totals() == {"DEAD": 2, "DELIVERED": 60}
    assert await bench.ledger.frozen(1) == []


async def test_a_pause_is_no_try_of_it(bench):
    """What meets a closed door is sent again as it was, and is no older for it."""
    await bench.append("m0", "m1")
    destination = Batched(lambda ids: [Pause("HTTP 401")] * len(ids))
    await bench.start(destination, freezing())
    for _ in range(100):
        await bench.pass_time(3600)
    assert [(one.tries, one.first_at) for one in await bench.ledger.frozen(1)] == [(0, 0)]
    destination.answer = fine
    await bench.pass_time(300)
    assert {tuple(batch) for batch in destination.batches} == {("m0", "m1")}
    assert await bench.totals() == {"DELIVERED": 2}


async def test_too_large_a_batch_becomes_two(bench):
    """`Split`, or a bug in the destination, makes two frozen batches of one, down to single events."""
    await bench.append(*IDS)
    answers = {5: KeyError("bug")}
    destination = Batched(
        lambda ids: answers.get(len(ids)) or ([Split("large")] * len(ids) if len(ids) > 2 else fine(ids))
    )
    await bench.start(destination, freezing(5))
    for _ in range(3):
        await bench.pass_time(1)
    assert [len(batch) for batch in destination.batches[:2]] == [5, 3]
    assert sorted(destination.delivered) == IDS
    assert await bench.totals() == {"DELIVERED": 6}
    assert await bench.ledger.frozen(1) == []


async def test_those_that_fail_hold_up_no_others(bench):
    """However many batches wait because what is in them always fails, others are made, sent and settled."""
    await bench.append(*(f"bad{number}" for number in range(40)), name="Bad")
    await bench.append(*IDS)
    destination = Batched(lambda ids: busy(ids) if ids[0].startswith("bad") else fine(ids))
    await bench.start(destination, freezing(1))
    for _ in range(5):
        await bench.pass_time(5)
    assert sorted(destination.delivered) == IDS
    for number in range(60):
        await bench.append(f"good{number}")
        await bench.pass_time(3600)
    assert await bench.totals() == {"DELIVERED": 66, "DEAD": 40}
    assert await bench.ledger.frozen(1) == []


async def test_a_destination_that_is_down_has_few(bench):
    """While nothing gets through each probe costs one batch, of one event: the rest stays in the log."""
    await bench.append(*(f"m{number}" for number in range(60)))
    destination = Batched(busy)
    await bench.start(destination, freezing(2))
    for _ in range(24):
        await bench.pass_time(300)
    left = await bench.ledger.frozen(1)
    assert len(left) <= FAILURES + 24
    assert {one.tries for one in left} == {0, 1}
    destination.answer = fine
    for _ in range(4):
        await bench.pass_time(300)
    assert await bench.totals() == {"DELIVERED": 60}


async def test_it_waits_for_the_ledger(bench, monkeypatch):
    """Nothing is sent before the ledger could keep it."""
    freeze = bench.ledger.freeze_batches

    async def unwritable(*_: object):
        raise StoreUnavailable("full")

    monkeypatch.setattr(bench.ledger, "freeze_batches", unwritable)
    await bench.append("m0")
    destination = Batched()
    await bench.start(destination, freezing())
    await bench.pass_time(1)
    assert destination.batches == []
    monkeypatch.setattr(bench.ledger, "freeze_batches", freeze)
    await bench.pass_time(1)
    assert await bench.totals() == {"DELIVERED": 1}


async def test_resent_dead_letters_are_frozen_too(bench):
    """Dead letters that are resent make a batch, which survives a crash though the log no longer has them."""
    offsets = await bench.append("m0", "m1")
    await bench.start(Batched(lambda ids: [Refused("no")] * len(ids)), freezing())
    await bench.pass_time(100)
    await bench.append("m2")
    await calm()
    await bench.log.retire(BLOCK_SPAN, 1)
    await bench.ledger.forget(BLOCK_SPAN)
    await bench.ledger.resend(1, offsets, bench.clock.now())
    await bench.kill()
    destination = Batched(lambda ids: [Retry("busy", 50)] * len(ids))
    await bench.start(destination, freezing())
    await bench.kill()
    again = Batched()
    await bench.start(again, freezing())
    await bench.pass_time(62)
    assert destination.batches == again.batches == [["m0", "m1"]]
    assert (await bench.totals())["DELIVERED"] == 2


async def test_the_cursor_moves_when_an_earlier_runs_batches_were_all_that_was_left(bench):
    """They are sent before their blocks are read: reading those settles nothing more, and still the cursor moves."""
    await bench.ledger.open_account("hook", start=0, at=0)
    offsets = await bench.append("a", "b", "c")
    left = [FrozenBatch(offsets[:2], 0, 0, 0, ""), FrozenBatch(offsets[2:], 0, 0, 0, "")]
    await bench.ledger.freeze_batches(bench.number, left)
    destination = Batched()
    await bench.start(destination, plan(concurrency=2)._replace(batch=BatchLimits(2, 1000, 0.0, frozen=True)))
    await bench.pass_time(1)
    assert sorted(destination.delivered) == ["a", "b", "c"]
    assert (await bench.account()).cursor == await bench.log.end()


async def test_what_is_left_of_a_batch_expires_too(bench):
    """When a transform takes an event out of a batch that waits, the others are still one, and expire as one."""
    await bench.append(*IDS[:3])
    destination = Batched(busy)

    async def shape(event):
        return None if destination.batches and event.message_id == "m0" else event

    await bench.start(destination, freezing(rate=Rate(requests=0.01), shape=shape))
    await bench.pass_time(10)
    (left,) = await bench.ledger.frozen(1)
    assert len(left.offsets) == 2
    await bench.worker.expire(BLOCK_SPAN)
    await bench.pass_time(200)
    assert destination.batches == [IDS[:3]]
    assert await bench.totals() == {"FILTERED_TRANSFORM": 1, "EXPIRED": 2}
    assert (await bench.account()).cursor == BLOCK_SPAN


async def test_a_batch_may_expire_while_it_is_read(bench, monkeypatch):
    """A batch that expires between falling due and being sent is not sent, and disturbs nothing."""
    await bench.append("m0")
    destination = Batched(busy)
    await bench.start(destination, freezing())
    read, gate = bench.log.read, asyncio.Event()

    async def read_late(start, max_bytes):
        monkeypatch.setattr(bench.log, "read", read)
        await gate.wait()
        return await read(start, max_bytes)

    monkeypatch.setattr(bench.log, "read", read_late)
    await bench.pass_time(10)
    await bench.worker.expire(BLOCK_SPAN)
    gate.set()
    await calm()
    assert not bench.task.done()
    assert destination.batches == [["m0"]]
    assert await bench.totals() == {"EXPIRED": 1}


async def test_it_does_not_wait_for_one_that_lingers(bench):
    """A batch that falls due while another gathers is sent at once; the other lingers as long as it would have."""
    await bench.append(*IDS[:3])
    answers = [busy(IDS[:3])]
    destination = Batched(lambda ids: answers.pop() if answers else fine(ids))
    limits = BatchLimits(3, 1 << 20, 60, frozen=True)
    await bench.start(destination, plan(concurrency=1)._replace(batch=limits))
    await bench.append("m3")
    await calm()
    await bench.pass_time(10)
    assert destination.batches == [IDS[:3], IDS[:3]]
    await bench.append("m4")
    await bench.pass_time(49)
    assert destination.batches[2:] == []
    await bench.pass_time(1)
    assert destination.batches[2:] == [["m3", "m4"]]


async def test_waiting_for_many_costs_nothing(bench):
    """While many wait the loop sleeps, after a restart too; a dead letter that is resent goes out at once."""
    offsets = await bench.append("bad", *IDS[:3])
    first = Batched(lambda ids: [Refused("no")] if ids == ["bad"] else [Retry("busy", 1000)])
    await bench.start(first, freezing(1))
    await bench.stop()
    destination = Batched()
    await bench.start(destination, freezing(1))
    asked = bench.ledger.calls.total()
    for _ in range(10):
        await bench.pass_time(60)
    assert bench.ledger.calls.total() == asked
    await bench.ledger.resend(1, offsets[:1], bench.clock.now())
    bench.worker.poke()
    await calm()
    assert destination.batches == [["bad"]]
    await bench.pass_time(600)
    await bench.pass_time(0)
    assert sorted(destination.delivered) == ["bad", "m0", "m1", "m2"]
