"""Whatever destinations do and whenever the process dies: every event ends with exactly one outcome."""

import asyncio
from collections import Counter

from batched import Batched, fine
from bench import Bench, Scripted, plan
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from postroad.destinations.base import BatchLimits, Delivered, Pause, Refused, Retry, Split
from postroad.ledger.base import Outcome
from postroad.log.base import number_of, position_of
from postroad.testing.memory_ledger import MemoryLedger

HANGS = None
STEPS = st.sampled_from([Retry("busy"), Retry("slow down", 90), Refused("no"), Pause("HTTP 401"), RuntimeError("bug")])
SCRIPTS = st.lists(st.lists(STEPS | st.just(HANGS), max_size=3), min_size=1, max_size=12)
ENDS = st.lists(st.sampled_from(["kill", "stop"]), max_size=3)


@given(scripts=SCRIPTS, block_size=st.integers(1, 4), ends=ENDS, concurrency=st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_every_event_has_one_outcome(scripts, block_size, ends, concurrency):
    """After failures, pauses, hangs, crashes and restarts the totals are those of the log, event by event."""
    asyncio.run(_balance(scripts, block_size, ends, concurrency))


async def _balance(scripts, block_size, ends, concurrency):
    bench = Bench()
    script = {f"m{number}": list(steps) for number, steps in enumerate(scripts)}
    ids = list(script)
    offsets = {}
    for start in range(0, len(ids), block_size):
        some = ids[start : start + block_size]
        offsets |= dict(zip(some, await bench.append(*some), strict=True))
    destinations = []
    with capture_logs():
        for end in ends:
            destinations.append(await _run(bench, script, concurrency))
            await bench.pass_time(7)
            if end == "stop" and not destinations[-1].under_way:
                await bench.stop()
            else:
                await bench.kill()
        last = {message_id: [step for step in steps if step is not HANGS] for message_id, steps in script.items()}
        destinations.append(await _run(bench, last, concurrency))
        for _ in range(40):
            await bench.pass_time(120)
        await bench.stop()
    delivered = {message_id for destination in destinations for message_id in destination.delivered}
    outcomes = {
        name: (await bench.ledger.outcomes(1, number_of(offset)))[position_of(offset)]
        for name, offset in offsets.items()
    }
    assert set(outcomes.values()) <= {Outcome.DELIVERED, Outcome.DEAD}
    assert {message_id for message_id, outcome in outcomes.items() if outcome == Outcome.DELIVERED} <= delivered
    totals = await MemoryLedger.totals(bench.ledger, 1)
    assert totals == Counter(outcomes.values())
    assert (await bench.account()).cursor == await bench.log.end()
    assert [letter.offset for letter in await bench.ledger.dead(1)] == sorted(
        offsets[message_id] for message_id, outcome in outcomes.items() if outcome == Outcome.DEAD
    )


OUTCOMES = st.sampled_from([Retry("busy"), Refused("no"), Split("large"), Pause("HTTP 401"), Delivered()])
CALLS = st.lists(st.lists(OUTCOMES, min_size=1, max_size=6) | st.just(RuntimeError("bug")) | st.none(), max_size=12)


@given(
    count=st.integers(1, 14),
    block_size=st.integers(1, 4),
    calls=CALLS,
    ends=ENDS,
    limits=st.builds(
        BatchLimits, st.integers(1, 5), st.sampled_from([1, 1000]), st.sampled_from([0.0, 3.0]), st.booleans()
    ),
)
@settings(deadline=None, max_examples=80)
def test_every_batched_event_has_one_outcome(count, block_size, calls, ends, limits):
    """The same with batches of any size, lingering and frozen ones, split, refused in part, and hanging."""
    asyncio.run(_balance_batched([f"m{number}" for number in range(count)], block_size, list(calls), ends, limits))


async def _balance_batched(ids, block_size, calls, ends, limits):
    bench = Bench()
    for start in range(0, len(ids), block_size):
        await bench.append(*ids[start : start + block_size])
    served = plan(concurrency=2)._replace(batch=limits)
    destinations = []
    with capture_logs():
        for end in [*ends, "stop"]:
            destinations.append(_Batched(calls))
            await bench.start(destinations[-1], served)
            await bench.pass_time(7)
            if end == "kill" or destinations[-1].hangs:
                await bench.kill()
            else:
                await bench.stop()
        destinations.append(Batched())
        await bench.start(destinations[-1], served)
        for _ in range(40):
            await bench.pass_time(120)
        await bench.stop()
    seen = {one for destination in destinations for one in destination.delivered}
    totals = {outcome.name: count for outcome, count in (await MemoryLedger.totals(bench.ledger, 1)).items()}
    assert totals.get("DELIVERED", 0) + totals.get("DEAD", 0) == len(ids) == sum(totals.values())
    dead = {letter.key.partition(b"\0")[2].decode() for letter in await bench.ledger.dead(1)}
    assert set(ids) - dead <= seen
    assert (await bench.account()).cursor == await bench.log.end()
    assert await bench.ledger.frozen(1) == []
    if limits.frozen:
        again = [tuple(batch) for one in destinations for batch in one.batches]
        assert not any(set(a) & set(b) and set(a) - set(b) and set(b) - set(a) for a in again for b in again)


class _Batched(Batched):
    """Takes each call's outcomes from a script that goes on from one destination to the next."""

    def __init__(self, calls):
        super().__init__(self._next)
        self._calls = calls
        self.hangs = False

    async def send(self, events):
        """Hang where the script says so."""
        if self._calls and self._calls[0] is None:
            self._calls.pop(0)
            self.hangs = True
            self.batches.append([event.message_id for event in events])
            await asyncio.Event().wait()
        return await super().send(events)

    def _next(self, ids):
        call = self._calls.pop(0) if self._calls else None
        if call is None or isinstance(call, Exception):
            return call or fine(ids)
        return [call[number % len(call)] for number in range(len(ids))]


async def _run(bench, script, concurrency):
    """Start a destination that goes on where the script is; a crash forgets nothing of that."""
    destination = Scripted(otherwise=Delivered())
    destination.steps = script
    await bench.start(destination, plan(concurrency=concurrency))
    return destination
