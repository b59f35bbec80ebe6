"""Audit balances what is right, and finds every planted fault."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from postroad.clock import SystemClock
from postroad.ledger.base import DeadLetter, Outcome, RetryRow, Settlement
from postroad.log.base import Entry, number_of, position_of
from postroad.operations.audit import audit
from postroad.regions import open_region
from postroad.storage.layout import RegionFiles
from postroad.testing.memory_ledger import MemoryLedger
from postroad.testing.memory_log import MemoryLog

SIZE = 5
ACCOUNT = 1


class Books:
    """A log of two blocks of five, and a ledger that settled the first one, with one retry and one dead letter."""

    def __init__(self, folder):
        self.log = MemoryLog(SystemClock())
        self.ledger = MemoryLedger()
        self.region = open_region("us", RegionFiles(folder), SystemClock())
        self.offsets = []

    async def fill(self):
        """Write the log and settle its first block."""
        for block in range(2):
            receipt = await self.log.append([Entry(b"k%d-%d" % (block, n), b"v") for n in range(SIZE)])
            self.offsets += receipt.offsets
        await self.ledger.open_account("hook", start=0, at=1)
        first = self.offsets[:SIZE]
        await self.ledger.settle(
            ACCOUNT,
            Settlement(
                dict.fromkeys(first, Outcome.DELIVERED) | {first[1]: Outcome.RETRY, first[2]: Outcome.DEAD},
                {0: SIZE},
                self.offsets[SIZE],
                [RetryRow(first[1], 9, 1, 1, "503")],
                [DeadLetter(first[2], b"k", b"v", "Email Opened", "410", 2, 1, 3)],
            ),
        )
        return self

    def plant(self, offset, outcome):
        """Change one outcome behind the ledger's back."""
        self.ledger._blocks[ACCOUNT, number_of(offset)][position_of(offset)] = outcome

    async def audit(self, destinations=()):
        """Audit, and return the region's books."""

        @asynccontextmanager
        async def snapshot():
            yield self.ledger

        self.region.files.starting_offsets.write_text('{"hook": 0}')
        stores = {"log": self.log, "ledger": self.ledger, "snapshot": snapshot}
        return await audit(replace(self.region, configured=destinations, **stores))

    async def look(self):
        """Audit, and return the region's books and the only account's."""
        found = await self.audit(["hook"])
        (account,) = found.accounts
        assert found.balanced == (account.balanced and not found.problems)
        return found, account


@pytest.fixture
async def books(tmp_path):
    """Books that are right."""
    return await Books(tmp_path).fill()


async def test_right_books_balance(books):
    """What is owed is the sum of the columns, and what waits is pending."""
    found, account = await books.look()
    assert found.balanced
    assert (found.accepted, account.owed, account.sum, account.pending) == (10, 10, 10, 5)
    assert account.outcomes == {"delivered": 3, "retry": 1, "dead": 1}
    assert (list(account.problems), list(found.problems)) == ([], [])


async def test_a_ledger_that_was_lost(books):
    """A log with events beside a ledger that knows nobody does not balance, if there is anybody to deliver to."""
    books.ledger = MemoryLedger()
    assert (await books.audit()).balanced
    books.region.files.ledger_lock.touch()  # delivery ran here
    found = await books.audit(["hook"])
    assert not found.balanced
    assert "the ledger is lost" in found.problems[0]


async def test_books_balance_after_retention(books):
    """What retention removed from the log stays in the books, as a count."""
    await books.ledger.resend(ACCOUNT, [books.offsets[2]], 5)
    await books.log.retire(books.offsets[SIZE], -1)
    await books.ledger.forget(books.offsets[SIZE])
    found, account = await books.look()
    assert found.balanced, account.problems
    assert (found.kept, account.owed, account.outcomes) == (5, 10, {"delivered": 3, "retry": 2})


async def test_a_missing_outcome_below_the_cursor(books):
    """An event that the cursor passed without an outcome is named."""
    books.plant(books.offsets[3], Outcome.PENDING)
    _, account = await books.look()
    assert not account.balanced
    assert f"event {books.offsets[3]} was passed and has no outcome" in account.problems


@pytest.mark.parametrize(
    ("outcome", "word", "name"), [(Outcome.RETRY, "retry", "retries"), (Outcome.DEAD, "dead", "dead letters")]
)
async def test_an_outcome_without_its_row(books, outcome, word, name):
    """An event that is said to be in retry or dead, and has no row, is named."""
    books.plant(books.offsets[3], outcome)
    _, account = await books.look()
    assert not account.balanced
    assert list(account.problems) == [f"event {books.offsets[3]} is {word}, and not among the {name}"]


@pytest.mark.parametrize(("place", "name"), [(1, "retries"), (2, "dead letters")])
async def test_a_row_without_its_outcome(books, place, name):
    """A retry or a dead letter whose event has another outcome is named."""
    books.plant(books.offsets[place], Outcome.DELIVERED)
    _, account = await books.look()
    assert not account.balanced
    assert list(account.problems) == [f"event {books.offsets[place]} is among the {name}, and its outcome is another"]


async def test_a_wrong_total(books):
    """A total that is not what counting one by one gives is told with both figures."""
    right = books.ledger.totals

    async def wrong(account):
        return {**await right(account), Outcome.DELIVERED: 4}

    books.ledger.totals = wrong
    _, account = await books.look()
    assert not account.balanced
    assert list(account.problems) == ["the total of delivered is 4, counted one by one it is 3"]


async def test_an_outcome_of_a_record_that_is_not_there(books):
    """Outcomes of a block that the log does not have are an error."""
    books.ledger._blocks[ACCOUNT, 7] = bytearray([Outcome.DELIVERED])
    _, account = await books.look()
    assert not account.balanced
    assert "block 7 has 1 outcomes and is not in the log" in account.problems


async def test_more_outcomes_than_records(books):
    """A block with more outcomes than the log has events is an error."""
    books.ledger._blocks[ACCOUNT, 0].append(Outcome.DELIVERED)
    _, account = await books.look()
    assert not account.balanced
    assert "block 0 has 5 events and 6 outcomes" in account.problems
