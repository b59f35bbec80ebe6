"""What fails for ever keeps nothing else waiting, and dies of its own age."""

import asyncio

import pytest
from batched import Batched, fine
from bench import Bench, Scripted, calm, plan

from postroad.clock import MICROSECONDS
from postroad.delivery import backlog as backlog_module
from postroad.delivery.breaker import FAILURES
from postroad.destinations.base import BatchLimits, Delivered, Retry
from postroad.ledger.base import Outcome, RetryRow, Settlement
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import offset_of

POISON, GOOD = "Poison", "Good"
BUSY = Retry("HTTP 500", None, 500)


class ByKind(Scripted):
    """Fails for what is called `bad…`, after as many seconds of the bench's clock as it is told."""

    def __init__(self, bench: Bench, seconds: float = 0.0, bad: float | None = None) -> None:
        super().__init__()
        self._clock = bench.clock
        self._good, self.bad = seconds, seconds if bad is None else bad

    async def send(self, events):
        """Answer by the message id."""
        (event,) = events
        self.seen.append(event.message_id)
        bad = event.message_id.startswith("bad")
        await self._clock.sleep(self.bad if bad else self._good)
        if bad:
            return [BUSY]
        self.delivered.append(event.message_id)
        return [Delivered()]


async def bad(bench, count, *, first=0):
    """Store so many poison events."""
    await bench.append(*(f"bad{number}" for number in range(first, first + count)), name=POISON)


async def test_poison_before_good_events(bench):
    """Good events behind any number of one kind that fails get through within two minutes, with the default
    retries; while others do, the poison dies of age, each event of its own, and the books balance.
    """
    await bad(bench, 1500)
    await bench.append(*(f"good{number}" for number in range(20)), name=GOOD)
    destination = ByKind(bench)
    await bench.start(destination)
    for _ in range(60):
        await bench.pass_time(2)
    assert sorted(destination.delivered) == sorted(f"good{number}" for number in range(20))
    for number in range(60):
        await bench.append(f"later{number}", name=GOOD)
        for _ in range(4):
            await bench.pass_time(900)
    totals = await bench.totals()
    assert totals == {"DELIVERED": 80, "DEAD": 1500}
    letters = await bench.ledger.dead(1, limit=2000)
    assert all(letter.tries > 5 for letter in letters)
    assert (await bench.account()).cursor == await bench.log.end()


async def test_poison_that_no_label_tells_from_the_rest(bench):
    """Where good and bad events have one name, a probe from far ahead finds the good ones all the same."""
    await bench.append(*(f"bad{number}" for number in range(300)))
    for number in range(30):
        await bench.append(f"good{number}")
    destination = ByKind(bench)
    await bench.start(destination)
    for _ in range(200):
        await bench.pass_time(2)
    assert len(destination.delivered) == 30


async def test_a_good_event_does_not_wait_for_the_next_probe(bench):
    """While only what failed before fails, a fresh event is sent at once, however rare probes have become."""
    await bad(bench, 3)
    destination = ByKind(bench)
    await bench.start(destination)
    for _ in range(100):
        await bench.pass_time(60)
    assert bench.worker.state.startswith("open: HTTP 500")
    await bench.append("good", name=GOOD)
    await calm()
    assert destination.delivered == ["good"]


@pytest.mark.parametrize("crash", [False, True])
async def test_a_good_event_ahead_of_its_turn_is_sent_once(bench, monkeypatch, crash):
    """What a probe took from far ahead is not sent again in its turn, nor by the next run after a crash."""
    monkeypatch.setattr(backlog_module, "READ_BYTES", 1)
    await bad(bench, 16)
    await bench.append("good0", "bad-too", "good1", name=GOOD)
    await bench.append("good2", name=GOOD)
    first = again = ByKind(bench)
    await bench.start(first, plan(concurrency=1))
    await bench.pass_time(5)
    assert first.delivered == ["good0"]
    if crash:
        await bench.kill()
        again = ByKind(bench)
        await bench.start(again, plan(concurrency=1))
    for _ in range(60):
        await bench.pass_time(2)
    await bench.append("good3", name=GOOD)
    for _ in range(5):
        await bench.pass_time(300)
    assert sorted({*first.delivered, *again.delivered}) == ["good0", "good1", "good2", "good3"]
    assert len(first.delivered) + crash * len(again.delivered) == 4
    assert await bench.totals() == {"DELIVERED": 4, "RETRY": 17}
    assert (await bench.account()).cursor == await bench.log.end()


async def test_what_was_passed_over_for_its_label_is_looked_at_again(bench, monkeypatch):
    """When an event succeeds whose like had failed, others like it are looked for from the beginning."""
    monkeypatch.setattr(backlog_module, "READ_BYTES", 1)
    await bad(bench, 50)
    await bench.append("good0", "bad-too", "good1", name=GOOD)
    await bench.append("good2", name=GOOD)
    destination = ByKind(bench)
    await bench.start(destination, plan(concurrency=1))
    for _ in range(60):
        await bench.pass_time(2)
    assert sorted(destination.delivered) == ["good0", "good1", "good2"]


async def test_a_batch_of_poison_spoils_no_other(bench):
    """Where one kind makes whole batches fail, those without it go through whole, however much of it is due again."""
    destination = Batched(lambda ids: [BUSY] * len(ids) if any(one.startswith("bad") for one in ids) else fine(ids))
    await bad(bench, 200)
    await bench.start(destination, plan(concurrency=2)._replace(batch=BatchLimits(10, 1 << 20, 0.0)))
    for minute in range(30):
        await bench.append(*(f"good{minute}-{number}" for number in range(10)), name=GOOD)
        for _ in range(6):
            await bench.pass_time(10)
    assert len(destination.delivered) == 300
    late = {f"good{minute}-{number}" for minute in range(20, 30) for number in range(10)}
    later = [batch for batch in destination.batches if late.intersection(batch)]
    assert len(later) <= 20  # a minute's events go out as one batch, or as a probe and the rest
    assert sum(map(len, later)) == 100


async def test_a_destination_that_is_down_costs_retries_nothing(bench):
    """When a destination goes down for days, what was in retry grows no older and has no more tries than before."""
    await bad(bench, 4)
    destination = ByKind(bench)
    await bench.start(destination)
    for number in range(10):
        await bench.append(f"good{number}", name=GOOD)
        await bench.pass_time(60)
    was = {row.offset: row for row in await bench.ledger.retries(1, due_at=None, limit=9)}
    down = Scripted(otherwise=BUSY)
    await bench.stop()
    await bench.start(down)
    for _ in range(3 * 24 * 6):
        await bench.pass_time(600)
    rows = await bench.ledger.retries(1, due_at=None, limit=9)
    assert len(rows) == 4
    assert all(row.tries <= was[row.offset].tries + 2 for row in rows)
    assert all(bench.clock.now() - row.first_at > 2 * 86400 * MICROSECONDS for row in was.values())
    assert all(row.due_at - row.first_at < 7200 * MICROSECONDS for row in rows)
    down.otherwise = Delivered()
    await bench.pass_time(300)
    assert (await bench.totals())["DELIVERED"] == 14


async def test_retries_that_hang_leave_room(bench):
    """What failed before and hangs has half of the sends at most, so that fresh events go through beside it."""
    await bad(bench, 40)
    destination = ByKind(bench, seconds=0.05, bad=0.01)
    await bench.start(destination, plan(concurrency=4))
    for number in range(40):
        await bench.append(f"good{number}", name=GOOD)
        await bench.pass_time(1)
    destination.bad = 10.0
    done = len(destination.delivered)
    for second in range(60):
        await bench.append(f"more{second}", name=GOOD)
        for _ in range(10):
            await bench.pass_time(0.1)
    assert len(destination.delivered) >= done + 59
    await bench.kill()


@pytest.fixture
async def many(tmp_path):
    """A bench whose ledger is a real file with 100,000 retries that are due."""
    bench = Bench()
    bench.ledger = SqliteLedger.open(tmp_path / "ledger.db")
    await bench.ledger.open_account("hook", start=0, at=0)
    for block in range(10):
        await bad(bench, 10_000, first=block * 10_000)
        offsets = [offset_of(block, position) for position in range(10_000)]
        now = bench.clock.now()
        rows = [RetryRow(offset, now - 1, 1, now - 2, "HTTP 500") for offset in offsets]
        outcomes = dict.fromkeys(offsets, Outcome.RETRY)
        await bench.ledger.settle(1, Settlement(outcomes, {block: 10_000}, offset_of(block + 1, 0), retries=rows))
    yield bench
    await bench.stop()
    await bench.ledger.close()


@pytest.mark.parametrize(("concurrency", "count"), [(8, 20), (1, 5)])
async def test_fresh_events_beside_many_retries(many, concurrency, count):
    """With 100,000 retries due at a slow destination (50 ms, eight at a time or one) fresh events get through within
    seconds and retries go on; what is kept in memory of them, and what a look costs, stays small.
    """
    destination = ByKind(many, seconds=0.05)
    await many.start(destination, plan(concurrency=concurrency))
    asked = []
    read = many.ledger.retries

    async def counted(account, **more):
        asked.append(more["limit"])
        return await read(account, **more)

    many.ledger.retries = counted
    for second in range(10):
        await many.append(*(f"good{second}-{number}" for number in range(count)), name=GOOD)
        for _ in range(20):
            many.clock.advance(0.05)
            await asyncio.sleep(0.005)  # its ledger has a thread of its own
            await calm()
    assert len(destination.delivered) >= 9 * count
    retried = len(destination.seen) - len(destination.delivered)
    assert retried > 9 * count
    assert max(asked, default=0) < 2000
    assert len(asked) < 20


async def test_a_clock_that_was_ahead_keeps_no_retry_waiting(bench):
    """A retry that was put days ahead, by a clock that was set back since, is due now: loose or frozen, alone or
    behind others, in this run or the next.
    """
    await bench.append("a", "b")
    destination = Scripted({"a": [BUSY] * 2, "b": [BUSY, Retry("HTTP 503", 3000)]})
    await bench.start(destination)
    bench.clock.step(5 * 86400)
    await bench.pass_time(60)
    assert destination.seen.count("a") == 2
    bench.clock.step(-5 * 86400)
    await bench.pass_time(60)
    await calm()
    assert destination.delivered == ["a", "b"]
    assert not await bench.ledger.dead(1)


async def test_a_retry_too_far_ahead_behind_many(bench):
    """One that lies days ahead is found however many lie within reach before it."""
    await bench.ledger.open_account("hook", start=0, at=0)
    ids = [f"m{number}" for number in range(400)]
    offsets = await bench.append(*ids)
    now = bench.clock.now()
    rows = [RetryRow(offset, now + 60 * MICROSECONDS, 1, now, "HTTP 500") for offset in offsets]
    rows[7] = rows[7]._replace(due_at=now + 5 * 86400 * MICROSECONDS)
    outcomes = dict.fromkeys(offsets, Outcome.RETRY)
    await bench.ledger.settle(1, Settlement(outcomes, {0: 400}, offset_of(1, 0), retries=rows))
    destination = Scripted()
    await bench.start(destination)
    assert destination.delivered == ["m7"]


@pytest.mark.parametrize("frozen", [False, True])
async def test_a_clock_that_was_ahead_before_the_start(bench, frozen):
    """The same after a restart; no event is too old for the days that never were."""
    await bench.append("a")
    served = plan(concurrency=1)._replace(batch=BatchLimits(1, 1 << 20, 0.0, frozen=frozen))
    bench.clock.step(5 * 86400)
    await bench.start(Scripted(otherwise=BUSY), served)
    await bench.stop()
    bench.clock.step(-5 * 86400)
    destination = Scripted({"a": [BUSY]})
    await bench.start(destination, served)
    assert destination.seen == ["a"]
    await bench.pass_time(60)
    assert await bench.totals() == {"DELIVERED": 1}


async def test_a_step_forward_makes_nothing_too_old(bench):
    """When the wall clock jumps a week ahead no retry is given up for it."""
    await bad(bench, 3)
    destination = ByKind(bench)
    await bench.start(destination)
    for number in range(5):
        await bench.append(f"good{number}", name=GOOD)
        await bench.pass_time(10)
    bench.clock.step(7 * 86400)
    for number in range(5, 10):
        await bench.append(f"good{number}", name=GOOD)
        await bench.pass_time(60)
    assert await bench.totals() == {"DELIVERED": 10, "RETRY": 3}
    assert len(destination.seen) >= FAILURES + 10
