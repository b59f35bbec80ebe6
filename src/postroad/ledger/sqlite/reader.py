"""The ledger's readers' side on SQLite: any process, beside the one that writes."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from postroad.errors import StoreUnavailable
from postroad.ledger.base import Account, Attempt, DeadLetter, FrozenBatch, Lost, Outcome, RetryRow
from postroad.ledger.sqlite import packing, schema
from postroad.log.base import offset_of
from postroad.storage import files

_ACCOUNT = """SELECT number, destination, replay, start, end, cursor, opened_at, policy, ended_at, ended_by,
    held_at, held_by, held_why FROM account"""
_RETRY = "SELECT offset, due_at, tries, first_at, why, key, value, form FROM retry WHERE account = ?"
_ROWS = {
    Outcome.RETRY: "SELECT offset FROM retry WHERE account = ? AND offset > ? ORDER BY offset LIMIT ?",
    Outcome.DEAD: "SELECT offset FROM dead WHERE account = ? AND offset > ? ORDER BY offset LIMIT ?",
}
_END = """SELECT max(start), max(end), max(cursor),
    max((SELECT max(offset) + 1 FROM retry WHERE retry.account = number)),
    max((SELECT max(offset) + 1 FROM dead WHERE dead.account = number)),
    max((SELECT max(end) FROM lost WHERE lost.account = number)),
    max((SELECT max(block) FROM outcome WHERE outcome.account = number))
    FROM account"""
_DEAD = """SELECT offset, key, value, label, why, died_at, first_at, tries, form, packing FROM dead
    WHERE account = ? AND offset > ?"""


class SqliteLedgerReader:
    """Reads `ledger.db` in a thread of its own. While there is no file it sees an empty ledger.

    Every method raises `StoreUnavailable` when the file can't be read and `StoreVersion` when it is newer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._empty: sqlite3.Connection | None = None
        self._opened_as: files.Identity | None = None
        self._passing = False  # opened while it could not be written, and so not to be kept open
        self._thread = ThreadPoolExecutor(1, "ledger-read")
        self._closed = False
        self._older = False
        """Whether the file had an older format when it was opened."""

    async def accounts(self) -> Sequence[Account]:
        """Return all accounts, closed ones too, by number."""
        rows = await self._rows(f"{_ACCOUNT} ORDER BY number")
        return [Account(*row) for row in rows]

    async def account(self, number: int) -> Account | None:
        """Return one account as it is now."""
        rows = await self._rows(f"{_ACCOUNT} WHERE number = ?", number)
        return Account(*rows[0]) if rows else None

    async def missing(self) -> Sequence[int]:
        """Return the numbers of accounts that were opened, or have rows, and are not there."""
        there = {number for (number,) in await self._rows("SELECT number FROM account")}
        opened = await self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'account'")
        had = set(range(1, opened[0][0] + 1)) if opened else set()
        for table in schema.OF_ACCOUNTS:
            had.update(number for (number,) in await self._rows(schema.OWNERS.format(table=table)))
        return sorted(had - there)

    async def outcomes(self, account: int, block: int) -> bytes:
        """Return one byte a record of that block, `b""` when it has none."""
        rows = await self._rows("SELECT codes FROM outcome WHERE account = ? AND block = ?", account, block)
        return bytes(rows[0][0]) if rows else b""

    async def blocks(self, account: int, *, after: int = -1, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return up to `limit` blocks above number `after` with their outcomes, in order."""
        return await self._rows(
            "SELECT block, codes FROM outcome WHERE account = ? AND block > ? ORDER BY block LIMIT ?",
            account,
            after,
            limit,
        )

    async def totals(self, account: int) -> Mapping[Outcome, int]:
        """Return how many records have each outcome."""
        rows = await self._rows("SELECT outcome, count FROM total WHERE account = ? AND count != 0", account)
        return {Outcome(code): count for code, count in rows}

    async def forgotten(self, account: int) -> Mapping[Outcome, int]:
        """Return the part of `totals` whose blocks were forgotten."""
        rows = await self._rows("SELECT outcome, count FROM forgotten WHERE account = ? AND count != 0", account)
        return {Outcome(code): count for code, count in rows}

    async def lost(self, account: int) -> Sequence[Lost]:
        """Return the lost stretches of records without a byte, by their start."""
        rows = await self._rows("SELECT start, end, records FROM lost WHERE account = ? ORDER BY start, end", account)
        return [Lost(*row) for row in rows]

    async def identity(self) -> tuple[str, int] | None:
        """Return the identity and the epoch of the log this ledger belongs to; None while it has adopted none."""
        return schema.known_log(await self._rows(schema.KNOWN_LOG))

    async def retries(
        self, account: int, *, due_at: int | None, due_after: int | None = None, offset: int | None = None, limit: int
    ) -> Sequence[RetryRow]:
        """Return the retries due by `due_at`, later than `due_after`, the soonest first; or that of `offset`."""
        tests = (("due_at <= ?", due_at), ("due_at > ?", due_after), ("offset = ?", offset))
        query, values = _narrow(_RETRY, *tests)
        rows = await self._rows(f"{query} ORDER BY due_at, offset LIMIT ?", account, *values, limit)
        return [RetryRow(*row) for row in rows]

    async def rows(self, account: int, outcome: Outcome, *, after: int = -1, limit: int) -> Sequence[int]:
        """Return up to `limit` offsets above `after` that have a row for this outcome, in order."""
        if outcome not in _ROWS:
            return []
        return [offset for (offset,) in await self._rows(_ROWS[outcome], account, after, limit)]

    async def frozen(self, account: int) -> Sequence[FrozenBatch]:
        """Return the frozen batches, by their first offset."""
        rows = await self._rows(
            "SELECT offsets, due_at, tries, first_at, why, form FROM frozen WHERE account = ? ORDER BY first", account
        )
        return [FrozenBatch(schema.unpack_offsets(offsets), *rest) for offsets, *rest in rows]

    async def next_due(self, account: int) -> int | None:
        """Return when the soonest retry is due, or None."""
        rows = await self._rows("SELECT min(due_at) FROM retry WHERE account = ?", account)
        return None if rows[0][0] is None else int(rows[0][0])

    async def floor(self, account: int) -> int:
        """Return the lowest offset the account still needs from the log, 0 for an account that isn't there."""
        rows = await self._rows(
            """SELECT cursor,
            (SELECT min(offset) FROM main.retry INDEXED BY retry_in_log WHERE account = number AND value IS NULL)
            FROM account WHERE number = ?""",
            account,
        )
        return min(place for place in rows[0] if place is not None) if rows else 0

    async def end(self) -> int:
        """Return an offset above everything that is known of the log here, 0 when nothing is."""
        ((*places, block),) = await self._rows(_END)
        frozen = [schema.unpack_offsets(packed) for (packed,) in await self._rows("SELECT offsets FROM frozen")]
        above = [max(offsets) + 1 for offsets in frozen if offsets]
        above += [offset_of(block + 1, 0)] if block is not None else []
        return max([0, *above, *(int(place) for place in places if place is not None)])

    async def dead(
        self,
        account: int,
        *,
        offset: int | None = None,
        label: str | None = None,
        since: int | None = None,
        until: int | None = None,
        after: int = -1,
        limit: int = 100,
    ) -> Sequence[DeadLetter]:
        """Return dead letters by offset, those above `after`, narrowed by what is not None."""
        times = (("died_at >= ?", since), ("died_at < ?", until))
        query, values = _narrow(_DEAD, ("offset = ?", offset), ("label = ?", label), *times)
        rows = await self._rows(f"{query} ORDER BY offset LIMIT ?", account, after, *values, limit)
        return [_letter(*row) for row in rows]

    async def attempts(self, account: int, offset: int) -> Sequence[Attempt]:
        """Return the failed tries of one record, oldest first."""
        rows = await self._rows(
            "SELECT offset, at, status, why, answer FROM attempt WHERE account = ? AND offset = ? ORDER BY at, rowid",
            account,
            offset,
        )
        return [Attempt(*row) for row in rows]

    async def freeze(self) -> None:
        """See from now on the ledger as it is at this moment, until `close`; others write on meanwhile.

        For looks that take several calls and must fit together. Keep it short: while it lasts, the
        writer's file can't be tidied.
        """
        await self._rows("BEGIN")
        await self.accounts()  # a transaction's state is that of its first read

    async def close(self) -> None:
        """Let the file go. Safe to call twice."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
            self._thread.shutdown()

    async def _rows(self, query: str, *values: object) -> list[Any]:
        if self._closed:
            raise StoreUnavailable(f"{self._path}: the ledger is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._query, query, values)

    def _query(self, query: str, values: Sequence[object]) -> list[Any]:
        try:
            db = self._opened()
            rows = db.execute(query, values).fetchall()  # one statement: one consistent state
        except sqlite3.Error as error:
            self._disconnect()
            raise StoreUnavailable(f"{self._path}: {error}") from error
        if self._passing and not db.in_transaction:
            self._disconnect()
        return rows

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and not self._db.in_transaction and files.identity_of(self._path) != self._opened_as:
            self._disconnect()  # another file was put in its place
        elif self._db is not None and self._older and self._was_migrated(self._db):
            self._disconnect()
        if self._db is None:
            if not self._path.exists():
                return self._nothing()
            passing = not files.is_writable(self._path)  # before it is opened: it may become writable meanwhile
            db = files.connect_reader(self._path)
            try:
                found = files.check_format(db, self._path, schema.KIND, schema.FORMAT)
            except BaseException:
                db.close()
                raise
            if found == 0:  # its writer has made the file and not yet its tables
                db.close()
                return self._nothing()
            schema.look_newest(db, found)
            self._disconnect()
            self._db, self._opened_as = db, files.identity_of(self._path)
            self._passing = passing
            self._older = found < schema.FORMAT
        return self._db

    def _was_migrated(self, db: sqlite3.Connection) -> bool:
        return files.check_format(db, self._path, schema.KIND, schema.FORMAT) == schema.FORMAT

    def _nothing(self) -> sqlite3.Connection:
        if self._empty is None:
            self._empty = schema.empty()
        return self._empty

    def _disconnect(self) -> None:
        for db in (self._db, self._empty):
            if db is not None:
                with contextlib.suppress(sqlite3.Error):
                    db.close()
        self._db = self._empty = None


def _letter(offset: int, key: bytes, value: bytes, *rest: Any) -> DeadLetter:
    *others, how = rest
    return DeadLetter(offset, key, packing.unpack(value, how), *others)


def _narrow(query: str, *tests: tuple[str, object]) -> tuple[str, Sequence[object]]:
    """Add to a query the tests whose value is not None; return it with those values."""
    asked = [(test, value) for test, value in tests if value is not None]
    return " AND ".join((query, *(test for test, _ in asked))), [value for _, value in asked]
