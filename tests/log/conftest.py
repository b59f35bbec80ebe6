"""A log in a folder of its own, and everything that was opened closed again."""

import pytest

from postroad.clock import ManualClock
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.reader import SqliteLogReader


class Bench:
    """Opens writers and readers on one folder, with one clock."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = ManualClock()
        self._opened = []

    def open(self, options=None, **parts):
        """Open the writer; one block a segment unless told otherwise."""
        options = options or LogOptions(disk_floor=0, segment_bytes=1)
        self._opened.append(SqliteLog.open(self.folder, self.clock, options, **parts))
        return self._opened[-1]

    def reader(self, folder=None):
        """Open a reader."""
        self._opened.append(SqliteLogReader(folder or self.folder, self.clock))
        return self._opened[-1]

    async def close(self):
        """Close what was opened, the last first."""
        while self._opened:
            await self._opened.pop().close()


@pytest.fixture
async def bench(tmp_path):
    """An empty folder for a log."""
    bench = Bench(tmp_path / "log")
    yield bench
    await bench.close()
