"""The writer's hold on `ledger.db`: its lock, and a connection that is replaced after every failure."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from postroad import files
from postroad.errors import StoreUnavailable
from postroad.ledger import schema

Result = TypeVar("Result")

_BUGS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)


class LedgerFile:
    """One locked file and at most one connection to it, for one thread at a time."""

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
        except _BUGS:
            self._disconnect()
            raise
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
                schema.migrate(self._db, self._path)
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
