"""Faults on demand: what a disk does to a store that commits to SQLite."""

import sqlite3
from pathlib import Path
from typing import Any, Literal

from postroad.storage.files import connect_writer


class FaultyDisk:
    """A `Connect` for a store under test; its connections behave until told otherwise.

    `next_commit` makes one commit fail: `"lost"` before anything is written, `"kept"` after it is
    durable, which is what an fsync that failed may leave. `broken` makes every commit fail, and opening too.
    """

    def __init__(self) -> None:
        self.next_commit: Literal["lost", "kept"] | None = None
        self.broken = False

    def __call__(self, path: Path) -> sqlite3.Connection:
        """Open a file for writing."""
        if self.broken:
            raise sqlite3.OperationalError("disk I/O error")
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                return disk.execute(super().execute, sql, parameters)

        return connect_writer(path, Connection)

    def execute(self, execute: Any, sql: str, parameters: Any) -> sqlite3.Cursor:
        """Run one statement, or fail as told."""
        if not sql.startswith(("INSERT", "UPDATE", "COMMIT")):
            return execute(sql, parameters)  # type: ignore[no-any-return]
        fault, self.next_commit = self.next_commit, None
        if fault == "lost" or self.broken:
            raise sqlite3.OperationalError("disk I/O error")
        cursor = execute(sql, parameters)
        if fault == "kept":
            raise sqlite3.OperationalError("disk I/O error")
        return cursor  # type: ignore[no-any-return]
