"""Whatever destinations do and whenever the process dies: every event ends with exactly one outcome."""

import asyncio
from collections import Counter

from bench import Bench, Scripted, plan
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from postroad.destinations.base import Delivered, Pause, Refused, Retry
from postroad.ledger.memory import MemoryLedger

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
    outcomes = {i: (await bench.ledger.outcomes(1, offset >> 16))[offset & 0xFFFF] for i, offset in offsets.items()}
    assert set(outcomes.values()) <= {1, 3}
    assert {message_id for message_id, outcome in outcomes.items() if outcome == 1} <= delivered
    totals = await MemoryLedger.totals(bench.ledger, 1)
    assert totals == Counter(outcomes.values())
    assert (await bench.account()).cursor == await bench.log.end()
    assert [letter.offset for letter in await bench.ledger.dead(1)] == sorted(
        offsets[message_id] for message_id, outcome in outcomes.items() if outcome == 3
    )


async def _run(bench, script, concurrency):
    """Start a destination that goes on where the script is; a crash forgets nothing of that."""
    destination = Scripted(otherwise=Delivered())
    destination.steps = script
    await bench.start(destination, plan(concurrency=concurrency))
    return destination
