"""`rejections.db`: its tables, and the writer's hold on it."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from postroad import files
from postroad.errors import StoreUnavailable

Result = TypeVar("Result")

KIND = "rejections"
FORMAT = 1

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

_STEPS = (_FORMAT_1,)
"""The statements that lead from format n to n + 1, at index n; an empty file has format 0."""


class RejectionsFile:
    """One locked file and at most one connection to it, which is replaced after every failure."""

    def __init__(self, path: Path, connect: files.Connect) -> None:
        """Lock and open the file, made or migrated where it has to be.

        Raises `StoreLocked`, `StoreVersion`, `StoreError` or `StoreUnavailable`, and holds nothing then.
        """
        self._path = path
        self._connect = connect
        self._db: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock: files.Lock | None = files.Lock(path.with_suffix(".lock"))
        except OSError as error:
            raise StoreUnavailable(f"{path}: {error.strerror}") from error
        try:
            self._opened()
            files.sync_folder(path.parent)
        except BaseException:
            self.close()
            raise

    def transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` in one transaction and return its result once that is durable.

        Raises `StoreUnavailable` when the file can't be written, and whatever `work` raises. Nothing
        was changed then, and the next call opens the file again.
        """
        db = self._opened()
        try:
            db.execute("BEGIN IMMEDIATE")
            result = work(db)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            self._disconnect()
            raise StoreUnavailable(f"{self._path}: {error}") from error
        except BaseException:
            self._disconnect()
            raise
        return result

    def close(self) -> None:
        """Let the file and its lock go. Safe to call twice."""
        self._disconnect()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            try:
                self._db = self._connect(self._path)
                _migrate(self._db, self._path)
            except (sqlite3.Error, OSError) as error:
                self._disconnect()
                raise StoreUnavailable(f"{self._path}: {error}") from error
            except BaseException:
                self._disconnect()
                raise
        return self._db

    def _disconnect(self) -> None:
        """Close the connection, which rolls back what it had not committed."""
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    found = files.check_format(db, path, KIND, FORMAT)
    if found == FORMAT:
        return
    db.execute("BEGIN IMMEDIATE")
    for step in _STEPS[found:]:
        for statement in step:
            db.execute(statement)
    db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (FORMAT,))
    db.execute("COMMIT")
