"""The ledger's file is damaged, lost or replaced: refused in words, never made anew, and healed when it is put back."""

import contextlib
import os
import shutil
import sqlite3

import pytest

from postroad.errors import StoreError, StoreUnavailable
from postroad.ledger.base import Outcome
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.testing.ledgers.cases import settlement

DELIVERED = Outcome.DELIVERED


@pytest.fixture
def path(tmp_path):
    """Where the ledger is."""
    return tmp_path / "ledger.db"


@pytest.fixture
async def ledger(path):
    """An open ledger with account 1."""
    opened = SqliteLedger.open(path)
    await opened.open_account("crm", start=0, at=1)
    yield opened
    await opened.close()


def another_kind(path):
    """Make the ledger a file of another kind."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE meta SET value = 'log' WHERE key = 'kind'")


def no_format(path):
    """Take away what says which format it is."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM meta WHERE key = 'format'")


def garbage(path):
    """Leave nothing of it."""
    path.write_bytes(b"something else entirely" * 1000)


def cut(path):
    """Leave half of its first page."""
    os.truncate(path, 2048)


@pytest.mark.parametrize("damage", [another_kind, no_format, garbage, cut])
async def test_a_damaged_file_is_refused_until_it_is_put_back(ledger, path, damage):
    """What is no ledger is an error in words on both sides at every call, is not changed, and heals when the ledger
    is put back in its place, without a restart and with what was in it.
    """
    await ledger.close()
    good = path.read_bytes()
    damage(path)
    damaged = path.read_bytes()
    opened, reader = SqliteLedger.open(path), SqliteLedgerReader(path)
    for _ in range(2):
        assert "ledger.db" in opened.trouble
        assert not await opened.check()
        with pytest.raises(StoreUnavailable, match=r"ledger\.db"):
            await opened.settle(1, settlement({0: DELIVERED}))
        for side in (opened, reader):
            with pytest.raises(StoreError, match=r"ledger\.db"):
                await side.accounts()
    assert path.read_bytes() == damaged
    path.with_name("good").write_bytes(good)
    path.with_name("good").replace(path)
    assert await opened.check()
    assert opened.trouble == ""
    await opened.settle(1, settlement({0: DELIVERED}))
    assert await reader.totals(1) == {DELIVERED: 1}
    await opened.close()
    await reader.close()


@pytest.mark.parametrize("loss", [lambda path: path.unlink(), lambda path: os.truncate(path, 0)])
async def test_a_file_that_is_lost_meanwhile_is_not_made_anew(ledger, path, loss):
    """When the file is removed or emptied under the writer, every change is refused until it is put back."""
    await ledger.settle(1, settlement({0: DELIVERED}))
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = path.with_name("kept")
    shutil.copy(path, kept)
    loss(path)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await ledger.settle(1, settlement({1: DELIVERED}))
    kept.replace(path)
    await ledger.settle(1, settlement({2: DELIVERED}))
    assert await ledger.totals(1) == {DELIVERED: 2}


async def test_a_file_that_is_replaced_is_the_one_that_is_written(ledger, path):
    """What is settled after another file was put in its place is in that file."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)
    await ledger.settle(1, settlement({0: DELIVERED}))
    assert await ledger.totals(1) == {DELIVERED: 1}
    await ledger.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count FROM total").fetchall() == [(1,)]


async def test_nothing_is_left_beside_the_file(ledger, path):
    """A ledger that was closed is whole in its file, whoever still reads it: its write-ahead log is empty."""
    reader = SqliteLedgerReader(path)
    await ledger.settle(1, settlement({0: DELIVERED}))
    assert await reader.totals(1) == {DELIVERED: 1}
    await ledger.close()
    assert path.with_name("ledger.db-wal").stat().st_size == 0
    await reader.close()
