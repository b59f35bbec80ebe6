"""The rejections' writer: quotas, evictions and their counts, all in the transaction that records."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from postroad.errors import StoreUnavailable
from postroad.rejections import reader
from postroad.rejections.base import DEFAULT_QUOTAS, Quota, Quotas, Rejection
from postroad.storage import files
from postroad.storage.group_commit import GroupCommit
from postroad.storage.store import StoreFile

MAX_GROUP = 8 << 20
"""Bytes that share one transaction."""
MAX_QUEUE = 32 << 20
"""Bytes that may wait before `StoreBusy`."""

MAX_WAIT = 5.0
"""Seconds that a caller waits for a disk that hangs."""

_ROW_WEIGHT = 200

_INSERT = """INSERT INTO rejection
    (stranger, kept_size, at, source, code, details, path, size, key_fingerprint, item, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

_Change = Callable[[sqlite3.Connection], Sequence[int]]
_Row = tuple[int, int, int, str, str, str, str, int, str, int | None, bytes | None]


class Rejections:
    """Writes `rejections.db`. Make it with `open`."""

    def __init__(self, file: StoreFile, quotas: Quotas) -> None:
        self._file = file
        self._quotas = quotas
        self._commits: GroupCommit[_Change, Sequence[int]] = GroupCommit(
            self._write, max_group=MAX_GROUP, max_queue=MAX_QUEUE, max_wait=MAX_WAIT
        )

    @classmethod
    def open(
        cls, path: Path, quotas: Quotas = DEFAULT_QUOTAS, connect: files.Connect = files.connect_writer
    ) -> "Rejections":
        """Open `rejections.db` at `path`, made or migrated where it has to be, and lock `rejections.lock`
        beside it. Quotas that are smaller than before take effect with the next change.

        Raises `StoreLocked` or `StoreVersion`. A file that can't be used is no error here: it is in `trouble` then,
        every change raises `StoreUnavailable`, and it heals when the cause is gone.
        """
        return cls(StoreFile(path, reader.KIND, reader.STEPS, connect), quotas)

    @property
    def trouble(self) -> str:
        """Why the file can't be used; empty when it can, as far as is known."""
        return self._file.trouble

    async def check(self) -> bool:
        """Find out whether the file can be used now, opening it again if need be."""
        try:
            await self._commits.submit(lambda _: (), _ROW_WEIGHT)
        except StoreUnavailable:
            return False
        return not self.trouble

    async def record(self, rejections: Sequence[Rejection]) -> Sequence[int]:
        """Keep rejections, all or none, and return their ids once they are durable.

        Raises `StoreBusy` or `StoreUnavailable`, and has kept and counted nothing then; `ValueError` for
        a stranger with a body.
        """
        rows = [_row(rejection) for rejection in rejections]
        if not rows:
            return []
        weight = sum(_ROW_WEIGHT + row[1] for row in rows)
        return await self._commits.submit(lambda db: _insert(db, rows), weight)

    async def remove(self, ids: Sequence[int]) -> Sequence[int]:
        """Let rejections go that were retried or are not wanted any more; returns the ids that were there.

        Raises `StoreBusy` or `StoreUnavailable`, and has removed nothing then.
        """
        wanted = list(ids)
        return await self._commits.submit(lambda db: _remove(db, wanted), _ROW_WEIGHT)

    async def close(self) -> None:
        """Write what is queued, let the file go and give the lock back. Safe to call twice."""
        await self._commits.close()
        await asyncio.to_thread(self._file.close)

    def _write(self, changes: Sequence[_Change]) -> Sequence[Sequence[int]]:
        return self._file.transact(lambda db: self._apply(db, changes))

    def _apply(self, db: sqlite3.Connection, changes: Sequence[_Change]) -> Sequence[Sequence[int]]:
        answers = [change(db) for change in changes]
        for stranger, quota in enumerate(self._quotas):
            _evict(db, stranger, quota)
        return answers


def _row(rejection: Rejection) -> _Row:
    stranger = not rejection.source
    if stranger and rejection.body is not None:
        raise ValueError("a stranger's rejection is kept without its body")
    details = json.dumps(rejection.details)
    path = rejection.path.encode("utf-8", "backslashreplace").decode()  # a request line may hold half a surrogate
    return (
        reader.PUBLIC if rejection.is_public else int(stranger),
        len(rejection.body or b"") + len(details) + len(path),
        rejection.at,
        rejection.source,
        rejection.code,
        details,
        path,
        rejection.size,
        rejection.key_fingerprint,
        rejection.index,
        rejection.body,
    )


def _insert(db: sqlite3.Connection, rows: Sequence[_Row]) -> Sequence[int]:
    ids = []
    for row in rows:
        ids.append(db.execute(_INSERT, row).lastrowid or 0)
        db.execute(
            "UPDATE book SET recorded = recorded + 1, kept = kept + 1, size = size + ? WHERE stranger = ?",
            (row[1], row[0]),
        )
    return ids


def _remove(db: sqlite3.Connection, ids: Sequence[int]) -> Sequence[int]:
    removed = []
    for id_ in ids:
        row = db.execute("DELETE FROM rejection WHERE id = ? RETURNING stranger, kept_size", (id_,)).fetchone()
        if row is not None:
            removed.append(id_)
            db.execute(
                "UPDATE book SET removed = removed + 1, kept = kept - 1, size = size - ? WHERE stranger = ?",
                (row[1], row[0]),
            )
    return removed


def _evict(db: sqlite3.Connection, stranger: int, quota: Quota) -> None:
    """Delete the oldest of a class until it fits its quota."""
    kept, size = db.execute("SELECT kept, size FROM book WHERE stranger = ?", (stranger,)).fetchone()
    if kept <= quota.rows and size <= quota.size:
        return
    evicted, last = 0, 0
    oldest = db.execute("SELECT id, kept_size FROM rejection WHERE stranger = ? ORDER BY id", (stranger,))
    while kept - evicted > quota.rows or size > quota.size:
        last, freed = oldest.fetchone()
        evicted += 1
        size -= freed
    oldest.close()
    db.execute("DELETE FROM rejection WHERE stranger = ? AND id <= ?", (stranger, last))
    db.execute(
        "UPDATE book SET evicted = evicted + ?, kept = kept - ?, size = ? WHERE stranger = ?",
        (evicted, evicted, size, stranger),
    )
