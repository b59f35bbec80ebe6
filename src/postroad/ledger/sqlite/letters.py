"""The dead letters of one account inside one transaction: compressed, and no more of them than its quota allows."""

import sqlite3
from collections.abc import Iterable, Sequence

from postroad.ledger.base import EVICT_AT_ONCE, DeadLetter, Quota
from postroad.ledger.sqlite import packing

_PUT = """INSERT INTO dead (account, offset, key, value, label, why, died_at, first_at, tries, form, packing)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_REMOVE = "DELETE FROM dead WHERE account = ? AND offset = ? RETURNING length(key) + length(value)"
_OLDEST = """SELECT offset, length(key) + length(value) FROM dead WHERE account = ?
    ORDER BY died_at, offset LIMIT ?"""


class Letters:
    """Keeps the rows of `dead` and what they have in bytes; `write` stores the latter."""

    def __init__(self, db: sqlite3.Connection, account: int, quota: Quota) -> None:
        self._db = db
        self._account = account
        self._quota = quota
        self._grown = 0

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters; none of their records has a row."""
        rows = []
        for offset, key, value, *others in letters:
            kept, how = packing.pack(value)
            rows.append((self._account, offset, key, kept, *others, how))
            self._grown += len(key) + len(kept)
        self._db.executemany(_PUT, rows)

    def remove(self, offsets: Iterable[int]) -> None:
        """Let the rows of these records go, as far as they have one."""
        for offset in offsets:
            row = self._db.execute(_REMOVE, (self._account, offset)).fetchone()
            if row is not None:
                self._grown -= row[0]

    def excess(self, kept: int, brought: int) -> list[int]:
        """Return the oldest letters that have to go so that those that stay fit the quota; `kept` is how many there
        are, `brought` how many of them are new.
        """
        row = self._db.execute("SELECT size FROM dead_size WHERE account = ?", (self._account,)).fetchone()
        size = self._grown + (row[0] if row else 0)
        if kept <= self._quota.rows and size <= self._quota.size:
            return []
        gone: list[int] = []
        for offset, freed in self._db.execute(_OLDEST, (self._account, EVICT_AT_ONCE + brought)).fetchall():
            if kept - len(gone) <= self._quota.rows and size <= self._quota.size:
                break
            gone.append(offset)
            size -= freed
        return gone

    def write(self) -> None:
        """Store what was counted in memory."""
        if self._grown:
            self._db.execute(
                """INSERT INTO dead_size VALUES (?, ?)
                ON CONFLICT (account) DO UPDATE SET size = size + excluded.size""",
                (self._account, self._grown),
            )
            self._grown = 0
