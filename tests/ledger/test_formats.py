"""Ledgers of older formats: looked at as they are, and brought over by their writer."""

import sqlite3

import pytest

from postroad.ledger.base import Account, Outcome
from postroad.ledger.hold import Hold, holds_of
from postroad.ledger.sqlite import schema
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.storage import files
from postroad.storage.store import migrate
from postroad.testing.ledgers.cases import check_books, settlement

OLD = [
    Account(1, "crm", None, 0, 9, 9, 5, ended_by="abandoned"),
    Account(2, "crm", None, 9, None, 20, 6),
    Account(3, "crm", "{}", 0, 9, 2, 7),
]
"""A destination that was removed, came back and has a replay."""


@pytest.fixture
def path(tmp_path):
    """A ledger of format 1 with these accounts."""
    path = tmp_path / "ledger.db"
    db = files.connect_writer(path)
    migrate(db, path, schema.KIND, schema.STEPS[:1])
    for one in OLD:
        db.execute("INSERT INTO account VALUES (?, ?, ?, ?, ?, ?, ?, 0)", one[:7])
    db.execute("INSERT INTO outcome VALUES (3, 0, x'01020000')")
    db.execute("INSERT INTO total VALUES (3, 1, 1), (3, 2, 1)")
    db.execute("INSERT INTO retry VALUES (3, 1, 100, 1, 50, '503', NULL, NULL)")
    db.close()
    return path


async def test_format_1_is_brought_over(path):
    """Its accounts are what they were, with the policy that holds everything back, and it can be written."""
    ledger = SqliteLedger.open(path)
    assert list(await ledger.accounts()) == OLD
    await ledger.settle(3, settlement({1: Outcome.DELIVERED}))
    await ledger.set_policy(2, "expire")
    await check_books(ledger, 3)
    await ledger.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() == (schema.FORMAT,)
    db.close()


async def test_format_1_can_be_looked_at(path):
    """A reader sees the same in a file that was not brought over yet, and goes on while its writer does that."""
    reader = SqliteLedgerReader(path)
    assert list(await reader.accounts()) == OLD
    assert [await reader.floor(3), await reader.totals(3)] == [1, {Outcome.DELIVERED: 1, Outcome.RETRY: 1}]
    ledger = SqliteLedger.open(path)
    await ledger.set_policy(2, "expire")
    assert [account.policy for account in await reader.accounts()] == ["refuse", "expire", "refuse"]
    await reader.close()
    await ledger.close()


async def test_format_2(tmp_path):
    """One of format 2 shows nothing as held, and can hold once it is brought over; its reader goes on meanwhile."""
    path = tmp_path / "ledger.db"
    db = files.connect_writer(path)
    migrate(db, path, schema.KIND, schema.STEPS[:2])
    for one in OLD:
        db.execute("INSERT INTO account VALUES (?, ?, ?, ?, ?, ?, ?, 0, 'expire', 0, '')", one[:7])
    db.close()
    reader = SqliteLedgerReader(path)
    assert [one.policy for one in await reader.accounts()] == ["expire"] * 3
    assert holds_of(await reader.accounts()) == {}
    ledger = SqliteLedger.open(path)
    await ledger.set_hold(2, Hold(9, "ada"))
    assert holds_of(await reader.accounts()) == {"crm": Hold(9, "ada")}
    await reader.close()
    await ledger.close()
