"""The rejections' readers' side: any process, beside the one that writes."""

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from postroad.errors import StoreUnavailable
from postroad.rejections.base import Count, Counts, Rejection
from postroad.storage import files

_COLUMNS = "SELECT at, source, code, details, path, size, key_fingerprint, body, item, id, stranger FROM rejection"


class RejectionsReader:
    """Reads `rejections.db`; holds nothing open between calls. While there is no file it sees no rejections.

    Every method raises `StoreUnavailable` when the file can't be read and `StoreVersion` when it is newer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def newest(
        self,
        *,
        source: str | None = None,
        code: str | None = None,
        since: int | None = None,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Rejection]:
        """Return up to `limit` rejections, the newest first, narrowed by what is not None.

        `source` is `""` for strangers. `since` is the earliest `at`. `after` and `before` are ids:
        only those above `after` (what is new), only those below `before` (the next page).
        """
        wanted = (("source = ?", source), ("code = ?", code), ("at >= ?", since), ("id > ?", after), ("id < ?", before))
        tests = [(test, value) for test, value in wanted if value is not None]
        where = " WHERE " + " AND ".join(test for test, _ in tests) if tests else ""
        rows = await self._rows(f"{_COLUMNS}{where} ORDER BY id DESC LIMIT ?", *(value for _, value in tests), limit)
        return [_rejection(row) for row in rows]

    async def get(self, id: int) -> Rejection | None:  # noqa: A002 - the field's own name
        """Return one rejection, or None when it was never there, was evicted or removed."""
        rows = await self._rows(f"{_COLUMNS} WHERE id = ?", id)
        return _rejection(rows[0]) if rows else None

    async def counts(self) -> Counts:
        """Return the books of the classes."""
        rows = await self._rows("SELECT recorded, kept, evicted, removed, size FROM book ORDER BY stranger")
        return Counts(*(Count(*row) for row in rows))

    async def counted(self) -> tuple[Counts, Counts]:
        """Return the books of the classes and, of the same moment, what is really there, counted row by row; of the
        latter only `kept` and `size` are said.
        """
        rows = await self._rows(
            """SELECT recorded, kept, evicted, removed, book.size, count(rejection.id), coalesce(sum(kept_size), 0)
            FROM book LEFT JOIN rejection ON rejection.stranger = book.stranger
            GROUP BY book.stranger ORDER BY book.stranger"""
        )
        books = Counts(*(Count(*row[:5]) for row in rows))
        return books, Counts(*(Count(kept=row[5], size=row[6]) for row in rows))

    async def _rows(self, query: str, *values: object) -> list[Any]:
        return await asyncio.to_thread(self._query, query, values)

    def _query(self, query: str, values: Sequence[object]) -> list[Any]:
        if not self._path.exists():
            return []
        try:
            with closing(files.connect_reader(self._path)) as db:
                if files.check_format(db, self._path, KIND, FORMAT) == 0:
                    return []  # its writer has made the file and not yet its tables
                return db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error


def _rejection(row: Sequence[Any]) -> Rejection:
    *columns, stranger = row
    rejection = Rejection(*columns)
    details = tuple((path, code, message) for path, code, message in json.loads(row[3]))
    return replace(rejection, details=details, is_public=stranger == PUBLIC)


KIND = "rejections"
PUBLIC = 2
"""The class of public sources, in the column `stranger`."""

_FORMAT_1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('kind', 'rejections'), ('format', 0)",
    # The body is last: reading what comes before it does not read it.
    """CREATE TABLE rejection (
        id INTEGER PRIMARY KEY AUTOINCREMENT, stranger INTEGER NOT NULL, kept_size INTEGER NOT NULL,
        at INTEGER NOT NULL, source TEXT NOT NULL, code TEXT NOT NULL, details TEXT NOT NULL, path TEXT NOT NULL,
        size INTEGER NOT NULL, key_fingerprint TEXT NOT NULL, item INTEGER, body BLOB)""",
    "CREATE INDEX rejection_class ON rejection (stranger, id, kept_size)",
    "CREATE INDEX rejection_source ON rejection (source, id, at, code)",
    "CREATE INDEX rejection_code ON rejection (code, id, at)",
    """CREATE TABLE book (
        stranger INTEGER PRIMARY KEY, recorded INTEGER NOT NULL, kept INTEGER NOT NULL,
        evicted INTEGER NOT NULL, removed INTEGER NOT NULL, size INTEGER NOT NULL)""",
    "INSERT INTO book VALUES (0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 0)",
)

# A third class: `stranger` is 0 for known sources, 1 for strangers, 2 for public sources.
_FORMAT_2 = ("INSERT INTO book VALUES (2, 0, 0, 0, 0, 0)",)

STEPS = (_FORMAT_1, _FORMAT_2)
"""See `postroad.storage.store.migrate`."""

FORMAT = len(STEPS)
