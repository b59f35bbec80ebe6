"""Audit on the real files: beside a server that writes them, and where a file was tampered with."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import pytest

from postroad.clock import ManualClock
from postroad.errors import StoreUnavailable
from postroad.ledger.base import DeadLetter, Outcome, RetryRow, Settlement
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import Entry, number_of
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.operations.audit import audit
from postroad.regions import open_region
from postroad.rejections import Rejection, Rejections
from postroad.storage.layout import RegionFiles

BEYOND = 10**15


class Region:
    """A region's files with their writers, and an audit of them."""

    def __init__(self, folder):
        self.files = RegionFiles(folder)
        self.clock = ManualClock()
        self.log = SqliteLog.open(self.files.log, self.clock, LogOptions(disk_floor=0, segment_bytes=2000))
        self.ledger = SqliteLedger.open(self.files.ledger)
        self.rejections = Rejections.open(self.files.rejections)
        self.region = open_region("us", self.files, self.clock)
        self.reader = self.region.log
        self.count = 0

    async def accept(self, count=3):
        """Append events; returns their offsets."""
        names = range(self.count, self.count + count)
        self.count += count
        receipt = await self.log.append([Entry(b"app\0%d" % name, b"v" * 50) for name in names])
        return receipt.offsets

    async def settle(self, account, offsets, outcome=Outcome.DELIVERED, *, of=3, move=True):
        """Settle the events of one block, and move the cursor past it unless told otherwise."""
        number = number_of(offsets[0])
        retries = [RetryRow(offset, BEYOND, 1, 1, "busy") for offset in offsets if outcome == Outcome.RETRY]
        dead = [DeadLetter(offset, b"k", b"v", "E", "no", 1, 1, 1) for offset in offsets if outcome == Outcome.DEAD]
        cursor = (number + 1) << 16 if move else None
        await self.ledger.settle(
            account, Settlement(dict.fromkeys(offsets, outcome), {number: of}, cursor, retries, dead)
        )

    async def look(self, snapshot=None):
        """Return the books."""
        return await audit(replace(self.region, snapshot=snapshot or self.region.snapshot))

    def tamper(self, path, *statements):
        """Change a file behind its writer's back."""
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for statement in statements:
                db.execute(statement)

    async def close(self):
        """Let everything go."""
        for store in (self.log, self.ledger, self.rejections, self.region):
            await store.close()


@pytest.fixture
async def region(tmp_path):
    """A region with one destination and no events."""
    region = Region(tmp_path)
    await region.ledger.open_account("hook", start=0, at=1)
    yield region
    await region.close()


async def test_beside_a_writer_that_never_rests(region):
    """While events come in and are settled in every way, no look finds anything out of balance."""
    stop = asyncio.Event()

    async def work():
        while not stop.is_set():
            first, second, third = await region.accept()
            await region.settle(1, [second], Outcome.RETRY, move=False)
            await region.settle(1, [first], Outcome.DEAD, move=False)
            await region.settle(1, [third])
            await region.settle(1, [second])
            await region.ledger.resend(1, [first], 5)
            await region.settle(1, [first], Outcome.FILTERED_EVENTS)

    working = asyncio.create_task(work())
    for _ in range(25):
        books = await region.look()
        assert books.balanced, books
        assert books.accounts[0].owed == books.accepted
    stop.set()
    await working
    assert (await region.look()).accepted == region.count > 0


async def test_retention_between_two_readings(region):
    """When retention removes events while they are counted, the whole look is done again and balances."""
    offsets = [await region.accept() for _ in range(60)]
    looks = 0

    @asynccontextmanager
    async def snapshot():
        nonlocal looks
        looks += 1
        async with region.region.snapshot() as ledger:
            if looks == 1:  # what comes now is not in this snapshot any more
                for block in offsets:
                    await region.settle(1, block)
                region.clock.advance(100)
                assert await region.log.retire(offsets[-1][0], 10)
                await region.ledger.forget(await region.reader.first())
            yield ledger

    books = await region.look(snapshot)
    assert looks == 2
    assert books.balanced, books
    assert (books.accepted, books.accounts[0].owed) == (180, 180)
    assert books.kept < 180


async def test_retention_that_never_rests(region):
    """When every look is disturbed, audit says so instead of telling what may be wrong."""
    offsets = [await region.accept() for _ in range(200)]
    for block in offsets:
        await region.settle(1, block)
    region.clock.advance(100)
    bounds = iter([offsets[60][0], offsets[120][0], offsets[-1][0]])

    @asynccontextmanager
    async def snapshot():
        assert await region.log.retire(next(bounds), 10)
        async with region.region.snapshot() as ledger:
            yield ledger

    with pytest.raises(StoreUnavailable, match="retention"):
        await region.look(snapshot)


async def test_retired_and_not_yet_forgotten(region):
    """Between retention and forgetting, what the log no longer has still counts by its outcomes."""
    offsets = [await region.accept() for _ in range(60)]
    await region.settle(1, offsets[0][:1], Outcome.DEAD, move=False)
    await region.settle(1, offsets[0][1:])
    for block in offsets[1:]:
        await region.settle(1, block)
    region.clock.advance(100)
    assert await region.log.retire(offsets[-1][0], 10)
    for _ in range(2):
        books = await region.look()
        assert books.balanced, books
        assert books.accounts[0].outcomes == {"delivered": 179, "dead": 1}
        await region.ledger.forget(await region.reader.first())


async def test_retired_before_it_was_settled(region):
    """An event that retention removed before every destination had an outcome for it is named."""
    offsets = [await region.accept() for _ in range(60)]
    await region.settle(1, offsets[0][1:], move=False)
    region.clock.advance(100)
    assert await region.log.retire(offsets[-1][0], 10)
    books = await region.look()
    assert not books.balanced
    assert "event 0 was passed and has no outcome" in books.accounts[0].problems


async def test_a_block_that_vanished_from_the_log(region):
    """A block that is gone from the middle of the log is named, though all of it was settled."""
    offsets = [await region.accept() for _ in range(3)]
    for block in offsets:
        await region.settle(1, block)
    await region.log.close()
    for segment in region.files.log.glob("*.db"):
        region.tamper(segment, "DELETE FROM block WHERE number = 1")
    books = await region.look()
    assert not books.balanced
    assert [problem[:37] for problem in books.problems] == ["3 events of block 1 are gone from the"]
    assert (books.accepted, books.accounts[0].balanced) == (9, True)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM outcome WHERE block = 0", "event 0 was passed and has no outcome"),
        ("UPDATE total SET count = count + 1 WHERE outcome = 1", "the total of delivered is 7, counted one by one"),
        ("INSERT INTO forgotten VALUES (1, 1, 2)", "retention removed 0 events from the log, and 2 of them"),
        ("INSERT INTO forgotten VALUES (1, 2, 1)", "0 events that the log no longer has are among the retries"),
        ("UPDATE outcome SET codes = x'010163' WHERE block = 1", "1 events have an outcome that this Postroad"),
        ("UPDATE outcome SET codes = x'01' WHERE block = 1", "block 1 has 3 events and 1 outcomes"),
        ("UPDATE account SET start = 1", "block 0 has outcomes of events that are not this account's"),
        ("UPDATE account SET end = 65537", "block 1 has outcomes of events that are not this account's"),
        ("UPDATE account SET cursor = 131074", "event 131072 was passed and has no outcome"),
        ("DELETE FROM retry", "event 131074 is retry, and not among the retries"),
        ("UPDATE dead SET offset = 7 << 16", "event 458752 is among the dead letters, and its outcome is another"),
    ],
)
async def test_a_tampered_ledger(region, statement, said):
    """Whatever is changed in the ledger's file behind its back, audit names it."""
    blocks = [await region.accept() for _ in range(3)]
    await region.settle(1, blocks[0])
    await region.settle(1, blocks[1])
    await region.settle(1, blocks[2][2:], Outcome.RETRY, move=False)
    await region.settle(1, blocks[2][1:2], Outcome.DEAD, move=False)
    assert (await region.look()).balanced
    await region.ledger.close()
    region.tamper(region.files.ledger, statement)
    books = await region.look()
    assert not books.balanced
    assert [problem for problem in books.accounts[0].problems if problem.startswith(said)], books.accounts[0]


async def test_problems_are_bounded(region):
    """Of many problems the first are told and all are counted."""
    offsets = [await region.accept(30) for _ in range(2)]
    for block in offsets:
        await region.settle(1, block, of=30)
    await region.ledger.close()
    region.tamper(region.files.ledger, "DELETE FROM outcome")
    account = (await region.look()).accounts[0]
    assert account.faults == 61  # and the total
    assert len(account.problems) == 20


async def test_rejections_that_do_not_add_up(region):
    """Rejections that were recorded and are neither kept nor evicted nor removed are told."""
    rejection = Rejection(1, "app", "not_json", (), "/v1/track", 2, "", b"{}")
    await region.rejections.record([rejection])
    assert (await region.look()).balanced
    await region.rejections.close()
    region.tamper(region.files.rejections, "UPDATE book SET recorded = 5 WHERE stranger = 0")
    books = await region.look()
    assert not books.balanced
    assert "of 5 rejections (known), 1 are kept" in books.problems[0]


async def test_accounts_that_came_and_went(region):
    """A destination that was removed is owed what came before, one that came later what came after."""
    first = await region.accept()
    await region.settle(1, first)
    await region.ledger.end_account(1, 1 << 16, at=1, by="abandoned")
    later = await region.ledger.open_account("hook", start=1 << 16, at=1)
    second = await region.accept()
    await region.settle(later.number, second, Outcome.ABANDONED)
    books = await region.look()
    assert books.balanced
    assert [(account.open, account.owed, account.sum) for account in books.accounts] == [(False, 3, 3), (True, 3, 3)]


async def test_a_snapshot_stays_as_it_is(region):
    """What is settled after a ledger was frozen is not seen in it."""
    offsets = await region.accept()
    async with region.region.snapshot() as frozen:
        await region.settle(1, offsets)
        assert await frozen.outcomes(1, 0) == b""
        assert await frozen.totals(1) == {}
    assert await region.ledger.totals(1) == {Outcome.DELIVERED: 3}
