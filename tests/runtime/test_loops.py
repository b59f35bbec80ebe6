"""What a process does beside answering: loops that go on, and what happens when one does not."""

import asyncio
from dataclasses import replace

import pytest

from postroad.clock import ManualClock
from postroad.errors import StoreUnavailable
from postroad.regions import open_region
from postroad.runtime.loops import retire, running
from postroad.storage.layout import RegionFiles
from postroad.testing.memory_ledger import MemoryLedger


async def for_ever():
    """Never end."""
    await asyncio.Event().wait()


async def test_loops_end_with_their_context():
    """Loops that go on are cancelled when the context is left, and nobody is told to stop."""
    stop, ended = asyncio.Event(), []

    async def loop():
        try:
            await for_ever()
        finally:
            ended.append(True)

    async with running([loop(), loop()], stop, 5):
        await asyncio.sleep(0)
        assert not stop.is_set()
    assert ended == [True, True]


async def test_a_loop_that_ends_stops_the_process():
    """A loop that fails sets `stop`, and its error is not lost."""
    stop = asyncio.Event()

    async def broken():
        raise LookupError("a bug")

    with pytest.raises(LookupError, match="a bug"):
        async with running([for_ever(), broken()], stop, 5):
            await asyncio.wait_for(stop.wait(), 5)


class Log:
    """Notes up to where it was to remove events."""

    def __init__(self):
        self.asked = []

    async def retire(self, before, _age):
        self.asked.append(before)
        return 0


class Ledger(MemoryLedger):
    """Can't be read the first time."""

    failed = False

    async def accounts(self):
        if not self.failed:
            self.failed = True
            raise StoreUnavailable("disk I/O error")
        return await super().accounts()


async def test_retention_outlives_a_store_that_fails(tmp_path):
    """When a store can't be used retention waits for its next turn, and goes on then."""
    clock, log, ledger = ManualClock(), Log(), Ledger()
    await ledger.open_account("hook", start=5, at=1)
    region = replace(open_region("us", RegionFiles(tmp_path), clock), configured=["hook"], ledger=ledger)
    async with running([retire(region, log, clock)], asyncio.Event(), 5):
        async with asyncio.timeout(5):
            while not log.asked:
                clock.advance(60)
                await asyncio.sleep(0)
    assert ledger.failed
    assert log.asked == [5]


async def test_nothing_is_retired_before_the_first_account(tmp_path):
    """While a configured destination has no account yet, its events are not removed; without any, age alone decides."""
    for configured in (["hook"], []):
        clock, log, ledger = ManualClock(), Log(), MemoryLedger()
        region = replace(open_region("us", RegionFiles(tmp_path), clock), configured=configured, ledger=ledger)
        async with running([retire(region, log, clock)], asyncio.Event(), 5):
            for _ in range(20):
                clock.advance(60)
                await asyncio.sleep(0)
        assert bool(log.asked) is not bool(configured)
