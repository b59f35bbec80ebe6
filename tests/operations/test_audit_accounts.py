"""Audit over the life of accounts: destinations that come, go and come back, replays, and retention in between."""

from dataclasses import replace

import pytest

from postroad.clock import ManualClock
from postroad.delivery.accounts import Wanted, end_accounts, open_accounts
from postroad.delivery.giving_up import abandon
from postroad.ledger.base import DeadLetter, Outcome, RetryRow, Settlement
from postroad.ledger.needs import needed_from
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import Entry
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.reader import SqliteLogReader
from postroad.operations.audit import audit
from postroad.regions import open_region
from postroad.storage.layout import RegionFiles

BEYOND = 10**15


class Region:
    """A region's files with their writers. Every block has three events."""

    def __init__(self, folder):
        self.files = RegionFiles(folder)
        self.clock = ManualClock()
        self.log = SqliteLog.open(self.files.log, self.clock, LogOptions(disk_floor=0, segment_bytes=2000))
        self.ledger = SqliteLedger.open(self.files.ledger)
        self.reader = SqliteLogReader(self.files.log, self.clock)
        self.blocks = 0

    async def accept(self, blocks=1):
        """Append events; returns the offset where they end."""
        for _ in range(blocks):
            self.blocks += 1
            await self.log.append([Entry(b"app\0%d-%d" % (self.blocks, n), b"v" * 50) for n in range(3)])
        return await self.reader.end()

    async def configure(self, *names):
        """Start with these destinations; returns their accounts' numbers."""
        wanted = [Wanted(name, from_beginning=True) for name in names]
        opened = await open_accounts(wanted, self.reader, self.ledger, self.clock)
        return [opened[name].number for name in names]

    async def abandon(self, destination):
        """Give a destination up, and write off what it was owed, half of it after a look."""
        await end_accounts(destination, self.reader, self.ledger, self.clock)
        await self.check()
        for account in await self.ledger.accounts():
            if account.destination == destination and account.ended_by == "abandoned":
                await abandon(account, self.reader, self.ledger)

    async def settle(self, account, upto, *outcomes):
        """Settle every block from the cursor up to an offset, the three events of each with these outcomes."""
        cursor = (await self.ledger.account(account)).cursor
        for number in range(cursor >> 16, upto >> 16):
            places = [(number << 16 | place, outcome) for place, outcome in enumerate(outcomes)]
            retries = [RetryRow(offset, BEYOND, 1, 1, "busy") for offset, outcome in places if outcome == Outcome.RETRY]
            dead = [DeadLetter(o, b"k", b"v", "E", "no", 1, 1, 1) for o, outcome in places if outcome == Outcome.DEAD]
            after = (number + 1) << 16
            await self.ledger.settle(account, Settlement(dict(places), {number: 3}, after, retries, dead))

    async def retire(self):
        """Let retention remove what no account needs, and the ledger forget it."""
        self.clock.advance(100)
        assert await self.log.retire(min(await needed_from(self.ledger)), 10)
        await self.check()
        await self.ledger.forget(await self.reader.first())
        await self.check()

    async def look(self):
        """Return the books."""
        return await audit(replace(open_region("us", self.files, self.clock), log=self.reader))

    async def check(self):
        """Audit: everything balances. Returns the accounts' books by number."""
        books = await self.look()
        assert books.balanced, books
        assert books.accepted == self.blocks * 3
        return {account.account: account for account in books.accounts}

    async def close(self):
        """Let everything go."""
        for store in (self.log, self.ledger, self.reader):
            await store.close()


@pytest.fixture
async def region(tmp_path):
    """A region with nothing in it."""
    region = Region(tmp_path)
    yield region
    await region.close()


DELIVERED = (Outcome.DELIVERED,) * 3
MIXED = (Outcome.DELIVERED, Outcome.DEAD, Outcome.RETRY)


async def test_removed_and_back(region):
    """What a removed destination is owed stays pending; what an abandoned one was owed is abandoned, what died there
    stays, and one that is back owes no more than what came since.
    """
    (crm, _) = await region.configure("crm", "file")
    await region.settle(crm, await region.accept(2), *MIXED)
    await region.accept()
    await region.check()
    await region.configure("file")
    books = await region.check()
    assert (books[crm].open, books[crm].pending) == (True, 3)
    assert books[crm].outcomes == {"delivered": 2, "dead": 2, "retry": 2}
    await region.abandon("crm")
    books = await region.check()
    assert books[crm].outcomes == {"delivered": 2, "dead": 2, "abandoned": 5}
    end = await region.accept(2)
    (again, _) = await region.configure("crm", "file")
    assert again != crm
    books = await region.check()
    assert (books[crm].owed, books[again].owed, books[again].pending) == (9, 6, 6)
    await region.settle(again, end, *DELIVERED)
    assert await region.ledger.drop(crm, await region.ledger.rows(crm, Outcome.DEAD, limit=9)) == 2
    books = await region.check()
    assert books[crm].outcomes == {"delivered": 2, "dropped": 2, "abandoned": 5}


async def test_added_later(region):
    """A destination that is added later owes what is kept, or what comes from now on, and nothing before."""
    (first,) = await region.configure("first")
    await region.settle(first, await region.accept(60), *DELIVERED)
    await region.retire()
    (_, late) = await region.configure("first", "late")
    books = await region.check()
    assert 0 < books[late].owed == books[late].pending < 180
    assert books[first].owed == 180


@pytest.mark.parametrize("before_retention", [True, False])
async def test_replays_and_retention(region, before_retention):
    """A replay owes its stretch but for the events that it isn't about; so it stays when retention has passed it."""
    (crm,) = await region.configure("crm")
    end = await region.accept(60)
    await region.settle(crm, end, *DELIVERED)
    replay = (await region.ledger.open_account("crm", start=0, end=30 << 16, at=1, replay="{}")).number
    books = await region.check()
    assert (books[replay].owed, books[replay].pending) == (90, 90)
    await region.settle(replay, 10 << 16, Outcome.DELIVERED, Outcome.OUT_OF_ACCOUNT, Outcome.DEAD)
    books = await region.check()
    assert (books[replay].owed, books[replay].outcomes) == (80, {"delivered": 10, "dead": 10})
    if before_retention:
        await region.retire()  # up to where the replay has come
    await region.settle(replay, 30 << 16, *DELIVERED)
    await region.retire()
    assert await region.ledger.resend(replay, await region.ledger.rows(replay, Outcome.DEAD, limit=99), 5) == 10
    books = await region.check()
    assert books[replay].outcomes == {"delivered": 70, "retry": 10}
    await region.configure()  # nobody is left, and nothing is lost by that
    assert (await region.check())[replay].outcomes == {"delivered": 70, "retry": 10}
    await region.abandon("crm")  # the replay's retries are abandoned with its destination
    books = await region.check()
    assert books[replay].outcomes == {"delivered": 70, "abandoned": 10}


async def test_stopped_replay(region):
    """A replay that is ended where it has come to owes nothing of the rest."""
    (crm,) = await region.configure("crm")
    end = await region.accept(6)
    await region.settle(crm, end, *DELIVERED)
    replay = (await region.ledger.open_account("crm", start=0, end=end, at=1, replay="{}")).number
    await region.settle(replay, 2 << 16, *DELIVERED)
    await region.ledger.end_account(replay, 2 << 16, at=1, by="stopped")
    books = await region.check()
    assert (books[replay].owed, books[replay].outcomes, books[replay].open) == (6, {"delivered": 6}, False)


async def test_a_replay_that_forgot_an_event(region):
    """An event of its stretch that a replay passed without an outcome is named."""
    (crm,) = await region.configure("crm")
    end = await region.accept(2)
    await region.settle(crm, end, *DELIVERED)
    replay = (await region.ledger.open_account("crm", start=0, end=end, at=1, replay="{}")).number
    await region.settle(replay, end, Outcome.DELIVERED, Outcome.DELIVERED)
    books = await region.look()
    assert not books.balanced
    assert next(iter(books.accounts[1].problems)) == "event 2 was passed and has no outcome"
