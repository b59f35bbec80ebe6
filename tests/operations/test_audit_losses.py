"""Audit over what the log can't read: owed it is a fault, written off it is a column, and it is always named."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from postroad.clock import ManualClock
from postroad.ledger.base import DeadLetter, Outcome, RetryRow, Settlement
from postroad.log.base import Entry, offset_of
from postroad.operations.audit import LostStretch, audit
from postroad.regions import open_region
from postroad.storage.layout import RegionFiles
from postroad.testing.memory_ledger import MemoryLedger
from postroad.testing.memory_log import MemoryLog

SIZE = 5


class Region:
    """A log of six blocks of five, and a ledger that can be told what was settled."""

    def __init__(self, folder):
        self.clock = ManualClock()
        self.log = MemoryLog(self.clock)
        self.ledger = MemoryLedger()
        self.region = open_region("us", RegionFiles(folder), self.clock)

    async def fill(self, blocks=6):
        """Append blocks."""
        for _ in range(blocks):
            await self.log.append([Entry(b"%d-%d" % (await self.log.end(), n), b"v") for n in range(SIZE)])

    async def deliver(self, account, blocks, cursor=None):
        """Settle whole blocks."""
        outcomes = {offset_of(block, n): Outcome.DELIVERED for block in blocks for n in range(SIZE)}
        place = None if cursor is None else offset_of(cursor, 0)
        await self.ledger.settle(account, Settlement(outcomes, dict.fromkeys(blocks, SIZE), place))

    async def lose(self, account):
        """Write off whatever the log can't read, as delivery does."""
        for block in await self.log.read(await self.log.first(), 1 << 30):
            if block.lost:
                await self.ledger.lose(account, block.start, block.end, block.lost)

    async def look(self):
        """Audit."""

        @asynccontextmanager
        async def snapshot():
            yield self.ledger

        return await audit(replace(self.region, log=self.log, ledger=self.ledger, snapshot=snapshot))


@pytest.fixture
async def region(tmp_path):
    """A region whose first account has delivered block 0 and, beyond its cursor, block 2."""
    region = Region(tmp_path)
    await region.fill()
    await region.ledger.open_account("hook", start=0, at=1)
    await region.deliver(1, [0, 2], cursor=1)
    return region


async def test_what_is_owed_of_it(region):
    """Events that nobody can read and that are still owed are a fault; the stretch is named in any case."""
    for block in (1, 2, 3):
        region.log.damage(block)
    found = await region.look()
    (account,) = found.accounts
    assert not found.balanced
    assert list(found.lost) == [LostStretch(1, 3, 15)]
    assert (found.accepted, found.kept) == (30, 15)
    assert (account.owed, account.pending, account.sum) == (30, 20, 30)
    said = "10 events of blocks 1 to 3 are still owed, and the log can't read them any more"
    assert list(account.problems) == [said]


async def test_what_was_written_off(region):
    """Once it is written off it is a column of the books, which balance, also after retention has removed it."""
    for block in (1, 2, 3):
        region.log.damage(block)
    await region.lose(1)
    await region.deliver(1, [4], cursor=5)
    found = await region.look()
    (account,) = found.accounts
    assert found.balanced, account.problems
    assert (account.owed, account.sum, account.pending) == (30, 30, 5)
    assert account.outcomes == {"delivered": 15, "lost": 10}
    assert list(found.lost) == [LostStretch(1, 3, 15)]
    region.clock.advance(100)
    await region.log.retire(offset_of(5, 0), 10)
    await region.ledger.forget(await region.log.first())
    found = await region.look()
    assert found.balanced, found
    assert found.accounts[0].outcomes == {"delivered": 15, "lost": 10}


async def test_what_was_passed(region):
    """A stretch that the cursor has passed and that nobody wrote off is a fault."""
    await region.ledger.settle(1, Settlement({}, {}, offset_of(4, 0)))
    for block in (1, 3):
        region.log.damage(block)
    problems = (await region.look()).accounts[0].problems
    assert list(problems) == [
        f"5 events of block {block} were passed without an outcome, and the log can't read them any more"
        for block in (1, 3)
    ]


async def test_retries_of_it(region):
    """A retry needs the log, and is owed of a lost stretch, unless it is a dead letter that has bytes of its own."""
    places = [offset_of(1, n) for n in range(SIZE)]
    dead = [DeadLetter(places[0], b"k", b"v", "E", "no", 1, 1, 1)]
    outcomes = {**dict.fromkeys(places, Outcome.DELIVERED), places[0]: Outcome.DEAD, places[1]: Outcome.RETRY}
    retries = [RetryRow(places[1], 9, 1, 1, "busy")]
    await region.ledger.settle(1, Settlement(outcomes, {1: SIZE}, offset_of(2, 0), retries, dead))
    await region.ledger.resend(1, [places[0]], 9)
    region.log.damage(1)
    said = "1 events of block 1 are still owed, and the log can't read them any more"
    assert list((await region.look()).accounts[0].problems) == [said]
    await region.lose(1)
    found = await region.look()
    assert found.balanced, found
    assert found.accounts[0].outcomes == {"delivered": 13, "retry": 1, "lost": 1}


async def test_what_the_log_does_not_miss(region):
    """What the ledger wrote off, and more than the log lacks, is a fault."""
    region.log.damage(1)
    await region.lose(1)
    await region.ledger.lose(1, offset_of(3, 0), offset_of(4, 0), 9)
    await region.deliver(1, [4], cursor=5)
    (account,) = (await region.look()).accounts
    said = "4 events of block 3 are written off as lost, and the log does not miss them"
    assert list(account.problems) == [said]
    assert (account.outcomes["lost"], account.sum, account.owed) == (14, 34, 30)


async def test_what_can_be_read_again(region):
    """What was written off stays so when the log can read it again, and the books balance."""
    await region.ledger.lose(1, offset_of(1, 0), offset_of(2, 0), SIZE)
    found = await region.look()
    assert found.balanced, found
    assert found.accounts[0].outcomes == {"delivered": 10, "lost": 5}


async def test_an_account_that_has_a_part_of_it(region):
    """Of a stretch that an account has a part of, what others know to lie before it is not owed to it."""
    late = (await region.ledger.open_account("late", start=offset_of(3, 0), at=1)).number
    await region.deliver(1, [1, 3], cursor=4)
    for block in (1, 2, 3, 4):
        region.log.damage(block)
    books = {account.account: account for account in (await region.look()).accounts}
    assert (books[late].owed, books[late].pending) == (15, 15)
    for account in (1, late):
        await region.lose(account)
    found = await region.look()
    assert found.balanced, found
    assert [account.outcomes.get("lost") for account in found.accounts] == [5, 10]


async def test_a_cut_end(region):
    """What was cut off the end is lost, and owed until it is written off."""
    region.log.cut(4)
    found = await region.look()
    assert [stretch.events for stretch in found.lost] == [10]
    assert not found.balanced
    await region.lose(1)
    await region.fill(1)
    found = await region.look()
    assert found.balanced, found
    assert (found.accepted, found.accounts[0].owed, found.accounts[0].outcomes["lost"]) == (35, 35, 10)
