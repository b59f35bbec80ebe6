"""What the SQLite ledger promises beyond the port: its file, its failures, its speed."""

import asyncio
import itertools
import sqlite3
import stat

import pytest

from postroad.errors import StoreBusy, StoreLocked, StoreUnavailable, StoreVersion
from postroad.ledger.base import Attempt, Outcome, Settlement
from postroad.ledger.sqlite import schema
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.ledger.sqlite.writer import FORGET_BLOCKS, MAX_QUEUE, SqliteLedger
from postroad.log.base import offset_of
from postroad.storage import files
from postroad.testing.ledgers.cases import check_books, settlement

DELIVERED = Outcome.DELIVERED


class Disk:
    """Opens connections; what they run can be looked at, and the disk can be made to fail."""

    def __init__(self):
        self.statements = []
        self.pages = None
        self.broken = False
        self.opened = 0

    def connect(self, path):
        """Open a connection, unless the disk is broken."""
        if self.broken:
            raise OSError(5, "Input/output error")
        self.opened += 1
        db = files.connect_writer(path)
        db.set_trace_callback(self.statements.append)
        if self.pages is not None:
            db.execute(f"PRAGMA max_page_count = {self.pages}")
        return db

    def count(self, start):
        """Count the statements that began with `start`."""
        return sum(statement.startswith(start) for statement in self.statements)


@pytest.fixture
def path(tmp_path):
    """Where the ledger is: in a folder that is not there yet."""
    return tmp_path / "us" / "ledger.db"


@pytest.fixture
def disk():
    """A disk that works until it is told not to."""
    return Disk()


@pytest.fixture
async def ledger(path, disk):
    """An open ledger with account 1."""
    opened = SqliteLedger.open(path, disk.connect)
    await opened.open_account("crm", start=0, at=1)
    disk.statements.clear()
    yield opened
    await opened.close()


@pytest.mark.usefixtures("ledger")
async def test_files_are_private(path):
    """Only their owner may read the ledger's files and folder."""
    modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()}
    assert modes == dict.fromkeys(["ledger.db", "ledger.db-shm", "ledger.db-wal", "ledger.lock"], 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_has_one_writer(ledger, path):
    """A second writer is refused for as long as the first is open."""
    with pytest.raises(StoreLocked):
        SqliteLedger.open(path)
    await ledger.close()
    await SqliteLedger.open(path).close()


async def test_refuses_a_newer_file(ledger, path):
    """A file of a newer format is opened by neither side, and not held."""
    await ledger.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (schema.FORMAT + 1,))
    db.close()
    for _ in range(2):
        with pytest.raises(StoreVersion):
            SqliteLedger.open(path)
    reader = SqliteLedgerReader(path)
    with pytest.raises(StoreVersion):
        await reader.accounts()
    await reader.close()


async def test_reads_a_file_without_tables_as_empty(path):
    """A reader that comes between the making of the file and of its tables sees an empty ledger."""
    path.parent.mkdir()
    path.touch()
    reader = SqliteLedgerReader(path)
    assert list(await reader.accounts()) == []
    opened = SqliteLedger.open(path)
    await opened.open_account("crm", start=0, at=1)
    await opened.close()
    assert len(await reader.accounts()) == 1
    await reader.close()


async def test_waiting_settlements_share_a_transaction(ledger, disk):
    """A hundred settlements that wait at once take a handful of commits, not a hundred."""
    await asyncio.gather(*(ledger.settle(1, settlement({offset_of(n, 0): DELIVERED})) for n in range(100)))
    assert await ledger.totals(1) == {DELIVERED: 100}
    assert disk.count("COMMIT") <= 3


async def test_plain_outcomes_cost_no_statement_of_their_own(ledger, disk):
    """A settlement of a thousand records takes as many statements as one of ten."""

    async def statements(records, block):
        disk.statements.clear()
        outcomes = {offset_of(block, n): DELIVERED for n in range(records)}
        await ledger.settle(1, Settlement(outcomes, {block: records}, cursor=offset_of(block + 1, 0)))
        return len(disk.statements)

    assert await statements(1000, 0) == await statements(10, 1)


async def test_full_disk_refuses_and_heals(path, disk):
    """A disk with no room left is `StoreUnavailable`, changes nothing, and is fine again once there is room."""
    ledger = SqliteLedger.open(path, disk.connect)
    await ledger.open_account("crm", start=0, at=1)
    await ledger.close()
    disk.pages = 1  # SQLite never goes below what the file has: nothing can be added
    ledger = SqliteLedger.open(path, disk.connect)
    large = Settlement({offset_of(0, 60_000): DELIVERED}, {0: 65_000}, cursor=1)
    with pytest.raises(StoreUnavailable, match="full"):
        await ledger.settle(1, large)
    assert [await ledger.totals(1), list(await ledger.blocks(1, limit=9))] == [{}, []]
    assert [account.cursor for account in await ledger.accounts()] == [0]
    disk.pages = None
    await ledger.settle(1, large)
    assert await ledger.totals(1) == {DELIVERED: 1}
    await ledger.close()


async def test_heals_when_it_can_be_opened_again(ledger, disk):
    """After a failure the connection is a new one; while there can be none, every change is refused."""
    disk.pages = 1
    with pytest.raises(ValueError, match="no account 9"):  # any failure lets the connection go
        await ledger.settle(9, settlement({0: DELIVERED}))
    disk.broken = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="Input/output error"):
            await ledger.settle(1, settlement({0: DELIVERED}))
    assert await ledger.totals(1) == {}
    disk.broken, disk.pages = False, None
    await ledger.settle(1, settlement({0: DELIVERED}))
    assert await ledger.totals(1) == {DELIVERED: 1}
    assert disk.opened == 2


async def test_failing_group_answers_everyone(ledger, disk):
    """Each caller of a group that can't be written gets the error, and its settlement is not kept."""
    with pytest.raises(ValueError, match="no account 9"):
        await ledger.settle(9, settlement({0: DELIVERED}))
    disk.broken = True
    answers = await asyncio.gather(
        *(ledger.settle(1, settlement({offset_of(n, 0): DELIVERED})) for n in range(5)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 5
    disk.broken = False
    assert await ledger.totals(1) == {}


async def test_settling_again_counts_once(path):
    """When a commit reports failure and is found to be kept, giving the same settlement again is harmless."""
    failing = []

    class Connection(sqlite3.Connection):
        def execute(self, sql, *values):
            cursor = super().execute(sql, *values)
            if sql == "COMMIT" and failing:
                raise sqlite3.OperationalError(failing.pop())
            return cursor

    ledger = SqliteLedger.open(path, lambda path: files.connect_writer(path, Connection))
    await ledger.open_account("crm", start=0, at=1)
    waiting = settlement({0: Outcome.DEAD, 1: Outcome.RETRY, 2: DELIVERED}, cursor=3)
    failing.append("disk I/O error")
    with pytest.raises(StoreUnavailable):
        await ledger.settle(1, waiting)
    assert await ledger.totals(1) == {Outcome.DEAD: 1, Outcome.RETRY: 1, DELIVERED: 1}
    await ledger.settle(1, waiting)
    assert await ledger.totals(1) == {Outcome.DEAD: 1, Outcome.RETRY: 1, DELIVERED: 1}
    assert [len(await ledger.dead(1)), len(await ledger.retries(1, due_at=None, limit=9))] == [1, 1]
    await check_books(ledger, 1)
    await ledger.close()


async def test_full_queue_refuses(ledger):
    """More unwritten bytes than the queue holds are refused at once; what is in the queue is written."""
    answer = "x" * (MAX_QUEUE // 4)
    tries = [Settlement({}, {}, attempts=[Attempt(n, 1, 500, "no", answer)]) for n in range(6)]
    answers = await asyncio.gather(*(ledger.settle(1, one) for one in tries), return_exceptions=True)
    assert [type(one) for one in answers] == [type(None)] * 3 + [StoreBusy] * 3
    assert [len(await ledger.attempts(1, n)) for n in range(6)] == [1, 1, 1, 0, 0, 0]


async def test_forgets_in_bounded_transactions(ledger, disk):
    """Forgetting many blocks takes several transactions, and the books balance after."""
    blocks = range(FORGET_BLOCKS * 2 + 10)
    outcomes = {offset_of(n, 0): DELIVERED for n in blocks}
    await ledger.settle(1, settlement(outcomes, cursor=offset_of(blocks[-1], 1)))
    disk.statements.clear()
    await ledger.forget(offset_of(blocks[-1], 0))
    assert disk.count("COMMIT") == 3
    assert await ledger.forgotten(1) == {DELIVERED: len(blocks) - 1}
    assert list(await ledger.blocks(1, limit=9)) == [(blocks[-1], bytes([1, 0, 0, 0]))]
    await check_books(ledger, 1)


async def test_changes_of_one_group_see_each_other(ledger, disk):
    """Changes that share a transaction happen one after the other: nothing is counted twice or overlooked."""
    waiting = settlement({0: Outcome.DEAD, 1: DELIVERED, 2: Outcome.DEAD}, cursor=offset_of(1, 0))
    await asyncio.gather(ledger.settle(1, waiting), ledger.forget(offset_of(1, 0)))
    assert [await ledger.totals(1), list(await ledger.blocks(1, limit=9))] == [await ledger.forgotten(1), []]
    await asyncio.gather(ledger.drop(1, [0]), ledger.forget(offset_of(1, 0)), ledger.resend(1, [2], 5))
    assert await ledger.totals(1) == {DELIVERED: 1, Outcome.DROPPED: 1, Outcome.RETRY: 1}
    assert await ledger.totals(1) == await ledger.forgotten(1)
    _, second = await asyncio.gather(
        ledger.end_account(1, 9, at=1, by="abandoned"), ledger.open_account("crm", start=9, at=2)
    )
    assert [account.end for account in await ledger.accounts()] == [9, None]
    assert second.number == 2
    assert disk.count("COMMIT") == 3


async def test_what_cannot_be_stored_is_a_bug(ledger):
    """A value of a wrong type is not mistaken for a failing disk, alone or in a group."""
    wrong = Settlement({}, {}, attempts=[Attempt(0, 1, 500, object(), "")])
    with pytest.raises(sqlite3.Error, match="type"):
        await ledger.settle(1, wrong)
    answers = await asyncio.gather(
        ledger.settle(1, wrong), ledger.settle(1, settlement({0: DELIVERED})), return_exceptions=True
    )
    assert [isinstance(answers[0], sqlite3.Error), answers[1]] == [True, None]
    assert await ledger.totals(1) == {DELIVERED: 1}


async def test_frozen_reader_sees_one_state(ledger, path):
    """A frozen reader sees the ledger as it was, whatever is settled; a new one sees it as it is."""
    await ledger.settle(1, settlement({0: DELIVERED}))
    reader, later = SqliteLedgerReader(path), SqliteLedgerReader(path)
    await reader.freeze()
    await ledger.settle(1, settlement({1: DELIVERED}))
    assert [await reader.totals(1), await later.totals(1)] == [{DELIVERED: 1}, {DELIVERED: 2}]
    await reader.close()
    await later.close()


async def test_closed_ledger_refuses(ledger):
    """After `close` both changes and questions are `StoreUnavailable`."""
    await ledger.close()
    with pytest.raises(StoreUnavailable):
        await ledger.settle(1, settlement({0: DELIVERED}))
    with pytest.raises(StoreUnavailable):
        await ledger.totals(1)


@pytest.mark.usefixtures("ledger")
async def test_questions_use_indexes(path):
    """No question walks a whole table or sorts what it finds, however many rows there are."""
    asked = []

    class Listening(SqliteLedgerReader):
        def _query(self, query, values):
            asked.append((query, values))
            return super()._query(query, values)

    reader = Listening(path)
    narrowed = {"offset": 1, "label": "A", "since": 1, "until": 9}
    for size in range(len(narrowed) + 1):
        for names in itertools.combinations(narrowed, size):
            await reader.dead(1, after=5, **{name: narrowed[name] for name in names})
    for due_at, offset in itertools.product((None, 5), (None, 5)):
        await reader.retries(1, due_at=due_at, offset=offset, limit=9)
    for outcome in (Outcome.RETRY, Outcome.DEAD):
        await reader.rows(1, outcome, after=5, limit=9)
    for question in (reader.next_due, reader.floor, reader.totals, reader.forgotten, reader.account):
        await question(1)
    await reader.blocks(1, limit=9)
    for question in (reader.outcomes, reader.attempts):
        await question(1, 5)
    await reader.close()
    with sqlite3.connect(path) as db:
        plans = {
            query: [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values)] for query, values in asked
        }
    db.close()
    assert [query for query, plan in plans.items() if any(step.startswith("SCAN") for step in plan)] == []
    sorts = [query for query, plan in plans.items() if any("TEMP B-TREE" in step for step in plan)]
    assert [query for query in sorts if "FROM attempt" not in query] == []  # one record has few tries
    lists = {query: plan[0] for query, plan in plans.items() if "FROM dead" in query and " offset = ?" not in query}
    assert [query for query, plan in lists.items() if ("label = ?" in query) != ("INDEX dead_label" in plan)] == []
    assert [query for query, plan in lists.items() if "died_at >" in query and "INDEX dead_" not in plan] == []


async def test_reader_needs_no_writer(ledger, path):
    """The ledger can be read when nobody has it open."""
    await ledger.settle(1, settlement({0: DELIVERED}))
    await ledger.close()
    assert not path.with_name("ledger.db-wal").exists()
    reader = SqliteLedgerReader(path)
    assert await reader.totals(1) == {DELIVERED: 1}
    await reader.close()
