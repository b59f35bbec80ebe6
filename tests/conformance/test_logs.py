"""Every log of ours keeps the promises of the port."""

import shutil
import sqlite3

import pytest

from postroad.clock import ManualClock
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.reader import SqliteLogReader
from postroad.testing.faults import FaultyDisk
from postroad.testing.logs import (
    WINDOW_AGE,
    WINDOW_IDS,
    DurableLogConformance,
    LogConformance,
)
from postroad.testing.memory_log import MemoryLog

OPTIONS = LogOptions(window_age=WINDOW_AGE, window_ids=WINDOW_IDS, segment_bytes=1, disk_floor=0, table_slots=32)


class MemoryHarness:
    """One log in memory."""

    def __init__(self):
        self.clock = ManualClock()
        self._log = MemoryLog(self.clock, OPTIONS)

    async def open(self):
        return self._log

    async def reader(self):
        return self._log

    async def damage(self, number):
        self._log.damage(number)

    async def forget(self):
        pass

    def break_store(self):
        self._log.broken = "broken on purpose"

    def repair_store(self):
        self._log.broken = None


class SqliteHarness:
    """A log in a folder; a crash leaves a copy of the files as they are at that moment."""

    def __init__(self, folder):
        self.clock = ManualClock()
        self._disk = FaultyDisk()
        self._base = folder
        self._folder = folder / "0"
        self._open = []

    async def open(self):
        log = SqliteLog.open(self._folder, self.clock, OPTIONS, connect=self._disk)
        self._open.append(log)
        return log

    async def reader(self):
        self._open.append(SqliteLogReader(self._folder, self.clock))
        return self._open[-1]

    async def crash(self):
        left = self._base / f"{int(self._folder.name) + 1}"
        shutil.copytree(self._folder, left)
        await self.close()
        self._folder = left

    async def damage(self, number):
        for path in self._folder.glob("*.db"):
            with sqlite3.connect(path) as db:
                db.execute("UPDATE block SET body = substr(body, 1, length(body) - 5) WHERE number = ?", (number,))
            db.close()

    async def forget(self):
        await self.close()

    def break_store(self):
        self._disk.broken = True

    def repair_store(self):
        self._disk.broken = False

    async def close(self):
        while self._open:
            await self._open.pop().close()


class TestMemoryLog(LogConformance):
    """The log that other tests use."""

    @pytest.fixture
    def harness(self):
        return MemoryHarness()


class TestSqliteLog(DurableLogConformance):
    """The embedded log."""

    @pytest.fixture
    async def harness(self, tmp_path):
        harness = SqliteHarness(tmp_path)
        yield harness
        await harness.close()
