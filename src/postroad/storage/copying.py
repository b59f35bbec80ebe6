"""Copying files while others write them."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from postroad.errors import StoreUnavailable
from postroad.storage import files

PAGES: Final = 1024
"""Pages of a database that are copied between two looks at whether to stop."""

Tell = Callable[[int, int], None]
"""Called with the bytes that are copied, and with all there are."""


class Copying:
    """Copies files, fsynced and for their owner only, and counts them."""

    def __init__(self, total: int, tell: Tell) -> None:
        """`total` is the bytes there are to copy, as far as that is known."""
        self._total = total
        self._tell = tell
        self.files = 0
        self.size = 0
        self.stopped = False
        """Set it to end a copy that is under way with `CancelledError`."""

    def database(self, source: Path, target: Path) -> bool:
        """Copy a SQLite file as it is at one moment, beside those who write it; False when it isn't there."""
        if not source.exists():
            return False
        try:
            self._database(source, target)
        except (sqlite3.Error, StoreUnavailable) as error:
            target.unlink(missing_ok=True)
            if not source.exists():
                return False  # removed by retention at this moment
            raise StoreUnavailable(f"{source}: {error}") from error
        self._done(target, 0)
        return True

    def file(self, source: Path, target: Path) -> None:
        """Copy any other file as it is."""
        _make_private(target)
        shutil.copyfile(source, target)
        self._done(target, target.stat().st_size)

    def _database(self, source: Path, target: Path) -> None:
        _make_private(target)
        told = 0

        def note(_status: int, remaining: int, total: int) -> None:
            nonlocal told
            if self.stopped:
                raise asyncio.CancelledError
            done = (total - remaining) * page
            self._grow(done - told)
            told = done

        with closing(files.connect_reader(source)) as reader, closing(sqlite3.connect(target)) as writer:
            (page,) = reader.execute("PRAGMA page_size").fetchone()
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on it is this moment's state
            reader.backup(writer, pages=PAGES, progress=note)

    def _grow(self, size: int) -> None:
        self.size += size
        self._tell(min(self.size, self._total), self._total)

    def _done(self, target: Path, size: int) -> None:
        handle = os.open(target, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        self.files += 1
        self._grow(size)


def _make_private(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
