"""A region's folder as a stopped server leaves it, and ways to harm it."""

import json
import sqlite3
from contextlib import closing
from typing import NamedTuple

from postroad.clock import ManualClock
from postroad.ledger.base import DeadLetter, Outcome, RetryRow, Settlement
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import Entry, number_of
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.reader import SqliteLogReader
from postroad.operations.audit import audit
from postroad.regions import open_region
from postroad.rejections import Rejection, Rejections
from postroad.storage.layout import RegionFiles
from postroad.storage.starting_offsets import write_starting_offsets

SIZE = 3
FAR = 10**17
END = 16
"""The block from which on the log is still needed."""
OPTIONS = LogOptions(
    disk_floor=0, segment_bytes=21_100
)  # an empty one has five pages of 4096; then about six blocks fit
DESTINATIONS = ("first", "late", "new")
"""The first from the beginning of the log; the second added later, with nothing delivered yet; the third has a starting
offset and has no account yet.
"""


class Stores(NamedTuple):
    """A region's writers."""

    files: RegionFiles
    clock: ManualClock
    log: SqliteLog
    reader: SqliteLogReader
    ledger: SqliteLedger

    @classmethod
    def open(cls, folder):
        """Open them, at a later time each time."""
        files = RegionFiles(folder)
        clock = ManualClock()
        log = SqliteLog.open(files.log, clock, OPTIONS)
        return cls(files, clock, log, SqliteLogReader(files.log, clock), SqliteLedger.open(files.ledger))

    async def accept(self, blocks):
        """Append blocks; returns the offset where they end."""
        for _ in range(blocks):
            place = await self.reader.end()
            await self.log.append([Entry(b"app\0%d-%d" % (place, n), b"v%d" % place * 20) for n in range(SIZE)])
        return await self.reader.end()

    async def settle(self, account, blocks, *outcomes):
        """Settle blocks, the events of each with these outcomes, and move the cursor behind them."""
        places = {number << 16 | place: outcome for number in blocks for place, outcome in enumerate(outcomes)}
        retries = [RetryRow(one, FAR, 1, 1, "busy") for one, outcome in places.items() if outcome == Outcome.RETRY]
        dead = [DeadLetter(one, b"k", b"v", "E", "no", 1, 1, 1) for one, what in places.items() if what == Outcome.DEAD]
        sizes, cursor = dict.fromkeys(blocks, SIZE), (blocks[-1] + 1) << 16
        await self.ledger.settle(account, Settlement(places, sizes, cursor, retries, dead))

    async def close(self):
        """Stop."""
        for store in (self.log, self.reader, self.ledger):
            await store.close()


async def seed(folder):
    """Make a region whose log lost its beginning to retention, with every sort of account and of outcome."""
    stores = Stores.open(folder)
    _, clock, log, reader, ledger = stores
    write_starting_offsets(stores.files.starting_offsets, DESTINATIONS, 0)
    first = (await ledger.open_account("first", start=0, at=1)).number
    end = number_of(await stores.accept(END))
    await stores.settle(first, range(end), *[Outcome.DELIVERED] * SIZE)
    clock.advance(100)
    assert await log.retire(end << 16, 10)
    await ledger.forget(await reader.first())
    await ledger.open_account("late", start=end << 16, at=2)
    removed = (await ledger.open_account("removed", start=end << 16, at=2)).number
    replay = (await ledger.open_account("first", start=end << 16, end=(end + 3) << 16, at=2, replay="{}")).number
    await stores.accept(24)
    await stores.settle(first, range(end, end + 16), Outcome.DELIVERED, Outcome.DEAD, Outcome.RETRY)
    await stores.settle(replay, [end], *[Outcome.DELIVERED] * SIZE)
    await stores.settle(removed, [end], *[Outcome.FILTERED_EVENTS] * SIZE)
    await ledger.end_account(removed, (end + 1) << 16, at=3, by="abandoned")
    await ledger.adopt(*(await reader.identity() or ("aa", 1)))
    rejections = Rejections.open(stores.files.rejections)
    await rejections.record([Rejection(1, "app", "bad", (), "/v1/track", 3, "", b"{}")] * 3)
    await rejections.close()
    await stores.close()


async def look(folder, *destinations):
    """Audit a stopped region, with what is configured."""
    files = RegionFiles(folder)
    region = open_region("us", files, ManualClock(), configured=destinations or DESTINATIONS)
    try:
        return await audit(region)
    finally:
        await region.close()


def told(books):
    """Return all that an audit says is wrong, in one text."""
    return "\n".join([*books.problems, *(problem for account in books.accounts for problem in account.problems)])


def run(path, *statements):
    """Change a SQLite file; returns the last statement's rows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return [db.execute(statement).fetchall() for statement in statements][-1]


def segments(files):
    """Return the files of the log, oldest first."""
    return sorted(files.log.glob("*.db"))


def remove(path):
    """Remove a SQLite file."""
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def rewrite(path, change):
    """Change what a JSON file says."""
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
