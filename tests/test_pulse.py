"""A pulse says how a process is, to its own user only, and for as long as it is fresh."""

import asyncio
import contextlib

from postroad.clock import ManualClock
from postroad.storage.pulse import STALE_AFTER, Pulse, beat, read_pulse


async def test_a_pulse(tmp_path):
    """What is taken can be read by other processes of the same user, until it is stale."""
    clock, path = ManualClock(), tmp_path / "run" / "ingest.json"
    beating = asyncio.create_task(beat(path, clock, lambda: Pulse(clock.now(), 7, "metrics")))
    while not path.exists():
        await asyncio.sleep(0)
    assert read_pulse(path, clock) == Pulse(clock.now(), 7, "metrics")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    beating.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await beating
    clock.advance(STALE_AFTER)
    assert read_pulse(path, clock) is None
