"""A ledger of format 1 is brought over when it is opened, and readable before."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from postroad.ledger.base import Outcome, Quota, Settlement
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import number_of
from postroad.testing.ledgers.cases import check_books, letter

OLD = Path(__file__).parent.parent / "golden" / "format1" / "closed" / "us" / "ledger.db"
CRM = 2


@pytest.fixture
def path(tmp_path):
    """A ledger that an older Postroad wrote."""
    return Path(shutil.copy(OLD, tmp_path / "ledger.db"))


def column(path, query):
    """Return one column of a query."""
    with closing(sqlite3.connect(path)) as db:
        return [value for (value,) in db.execute(query)]


async def test_brings_an_old_ledger_over(path):
    """All that an old file has is there afterwards, dead letters whole, and a new one beside them is compressed."""
    values = column(OLD, "SELECT value FROM dead ORDER BY offset")
    ledger = SqliteLedger.open(path)
    assert column(path, "SELECT value FROM meta WHERE key = 'format'") == [3]
    dead = list(await ledger.dead(CRM))
    assert [one.value for one in dead] == values
    assert (await ledger.totals(CRM))[Outcome.DEAD] == len(dead)
    assert [await ledger.lost(CRM), await ledger.identity()] == [[], None]
    assert await ledger.resend(CRM, [dead[0].offset], 9) == 1
    (resent,) = await ledger.retries(CRM, due_at=9, limit=9)
    assert (resent.key, resent.value) == (dead[0].key, dead[0].value)
    again = dead[0]._replace(value=values[0] * 10)
    await ledger.settle(CRM, Settlement({again.offset: Outcome.DEAD}, {}, dead=[again]))
    assert list(await ledger.dead(CRM, offset=again.offset)) == [again]
    assert column(path, "SELECT length(value) FROM dead ORDER BY offset")[0] < len(values[0])
    await check_books(ledger, CRM)
    await ledger.close()


async def test_counts_old_letters(path):
    """The quota counts the dead letters of an old file, and they are the first to go."""
    sizes = column(OLD, "SELECT length(key) + length(value) FROM dead")
    new = letter(16 << 16, died_at=10**17)
    ledger = SqliteLedger.open(path, quota=Quota(1000, sum(sizes)))
    before = list(await ledger.dead(CRM))
    size = len(await ledger.outcomes(CRM, number_of(new.offset)))
    await ledger.settle(CRM, Settlement({new.offset: Outcome.DEAD}, {16: size}, dead=[new]))
    assert list(await ledger.dead(CRM)) == sorted([*before[1:], new])
    assert (await ledger.totals(CRM))[Outcome.EVICTED] == 1
    await check_books(ledger, CRM)
    await ledger.close()


async def test_reads_an_old_ledger(path):
    """A reader sees an old file that nobody has opened for writing yet, and goes on when somebody has."""
    reader = SqliteLedgerReader(path)
    before = [list(await reader.accounts()), list(await reader.dead(CRM)), list(await reader.lost(CRM))]
    assert len(before[1]) == 6
    assert before[2] == []
    ledger = SqliteLedger.open(path)
    await ledger.lose(CRM, 90 << 16, 91 << 16, 3)
    assert [list(await reader.accounts()), list(await reader.dead(CRM))] == before[:2]
    assert [one.records for one in await reader.lost(CRM)] == [3]
    await reader.close()
    await ledger.close()
