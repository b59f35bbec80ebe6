"""The SQLite file of one store: migrated when it is opened, and written by one process alone."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from postroad.errors import StoreError, StoreLocked, StoreUnavailable, StoreVersion
from postroad.storage.files import Connect, Identity, Lock, check_format, checkpoint, identity_of, sync_folder

Result = TypeVar("Result")

# What a bug of the caller raises; everything else that SQLite raises is the disk.
_BUGS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)


def migrate(db: sqlite3.Connection, path: Path, kind: str, steps: Sequence[Sequence[str]]) -> None:
    """Bring an open file to the newest format in one transaction.

    `steps` has at index n the statements that lead from format n to n + 1; an empty file has format 0. Raises
    what `check_format` raises, and `sqlite3.Error`.
    """
    found, newest = check_format(db, path, kind, len(steps)), len(steps)
    if found == newest:
        return
    db.execute("BEGIN IMMEDIATE")
    for step in steps[found:]:
        for statement in step:
            db.execute(statement)
    db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (newest,))
    db.execute("COMMIT")


class StoreFile:
    """The one writer's hold on a SQLite file: its lock, and at most one connection, which is replaced after every
    failure, and when another file was put in its place. For one thread at a time.

    A file that can't be used (the disk full or read-only, the file damaged) is no error when this is made: `trouble`
    has the reason, every `transact` tries again, and it heals when the cause is gone.
    """

    def __init__(self, path: Path, kind: str, steps: Sequence[Sequence[str]], connect: Connect) -> None:
        """Lock and open the file, made or migrated where it has to be; for `kind` and `steps` see `migrate`.

        Raises `StoreLocked` or `StoreVersion`, which trying again can't cure, and holds nothing then.
        """
        self.trouble = ""
        """Why the file can't be used, as far as the last look at it told."""
        self._path = path
        self._kind = kind
        self._steps = steps
        self._connect = connect
        self._db: sqlite3.Connection | None = None
        self._lock: Lock | None = None
        self._opened_as: Identity | None = None
        try:
            self._opened()
        except (StoreLocked, StoreVersion):
            self.close()
            raise
        except StoreError as error:
            self.trouble = str(error)
        except BaseException:
            self.close()
            raise

    def transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` in one transaction and return its result once that is durable.

        Raises `StoreUnavailable` when the file can't be used or written, and whatever `work` raises. Nothing
        was changed then, and the next call opens the file again.
        """
        db = self._usable()
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
        """Let the file and its lock go, with everything in the file itself unless a reader is in the way. Safe to
        call twice.
        """
        if self._db is not None:
            with suppress(sqlite3.Error):
                checkpoint(self._db)
        self._disconnect()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _usable(self) -> sqlite3.Connection:
        try:
            db = self._opened()
        except StoreError as error:
            self.trouble = str(error)
            raise StoreUnavailable(self.trouble) from error
        self.trouble = ""
        return db

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and identity_of(self._path) != self._opened_as:
            self._disconnect()  # what was written to it would be written to a file that nobody finds
        if self._db is None:
            try:
                self._open()
            except (sqlite3.Error, OSError) as error:
                self._disconnect()
                raise StoreUnavailable(f"{self._path}: {error}") from error
            except BaseException:
                self._disconnect()
                raise
        assert self._db is not None  # noqa: S101 - `_open` has made it
        return self._db

    def _open(self) -> None:
        if self._lock is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = Lock(self._path.with_suffix(".lock"))
        if self._opened_as is not None and not (self._path.exists() and self._path.stat().st_size):
            # Made anew it would know nothing of what was in it, and others go by that.
            raise StoreUnavailable(f"{self._path}: is gone or empty; put it back, or restart to begin a new one")
        self._db = self._connect(self._path)
        migrate(self._db, self._path, self._kind, self._steps)
        sync_folder(self._path.parent)
        self._opened_as = identity_of(self._path)

    def _disconnect(self) -> None:
        """Close the connection, which rolls back what it had not committed."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None
