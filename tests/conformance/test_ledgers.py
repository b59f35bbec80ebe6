"""Every ledger of ours keeps the promises of the port."""

import shutil

import pytest

from postroad.ledger.base import DEFAULT_QUOTA
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.testing.ledgers import LedgerConformance
from postroad.testing.memory_ledger import MemoryLedger


class MemoryHarness:
    """One ledger for all sides: what it promises ends with the process."""

    def __init__(self):
        self._ledger = MemoryLedger()

    async def open(self, quota=DEFAULT_QUOTA):
        """Return the ledger."""
        self._ledger.quota = quota
        return self._ledger

    async def reader(self):
        """Return the ledger: it reads too."""
        return self._ledger

    async def crash(self):
        """Do nothing: the ledger is as lasting as the test."""

    async def stop(self):
        """Do nothing."""


class SqliteHarness:
    """A ledger on disk. A crash goes on with a copy of the files as they are at that moment."""

    def __init__(self, folder):
        self._folder = folder / "0"
        self._opened = []

    async def open(self, quota=DEFAULT_QUOTA):
        """Open the writer."""
        self._opened.append(SqliteLedger.open(self._folder / "ledger.db", quota=quota))
        return self._opened[-1]

    async def reader(self):
        """Make a reader."""
        self._opened.append(SqliteLedgerReader(self._folder / "ledger.db"))
        return self._opened[-1]

    async def crash(self):
        """Leave the files as they are and go on with a copy."""
        left = self._folder.with_name(f"{int(self._folder.name) + 1}")
        left.mkdir()
        for name in ("ledger.db", "ledger.db-wal"):
            shutil.copy(self._folder / name, left)
        self._folder = left

    async def stop(self):
        """Close writers and readers."""
        for one in self._opened:
            await one.close()


class TestMemoryLedger(LedgerConformance):
    """The ledger of other tests."""

    @pytest.fixture(autouse=True)
    def bring(self):
        """A fresh ledger for each test."""
        self.harness = MemoryHarness()


class TestSqliteLedger(LedgerConformance):
    """The ledger on one machine."""

    @pytest.fixture(autouse=True)
    async def bring(self, tmp_path):
        """A folder of its own for each test."""
        self.harness = SqliteHarness(tmp_path)
        yield
        await self.harness.stop()
