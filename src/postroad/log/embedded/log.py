"""The embedded log: one machine, one folder, blocks in SQLite files."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from xxhash import xxh3_64_intdigest

from postroad.clock import Clock
from postroad.errors import StoreUnavailable
from postroad.log.base import BLOCK_SPAN, Entry, Receipt, Window
from postroad.log.embedded.digests import Digest
from postroad.log.embedded.options import MIB, LogOptions
from postroad.log.embedded.writer import Append, LogWriter
from postroad.storage.files import Connect, Lock, connect_writer, free_bytes
from postroad.storage.group_commit import GroupCommit

_MAX_GROUP = 4 * MIB
# Entries of no size still cost: with this a group of _MAX_GROUP has at most BLOCK_SPAN entries.
_ENTRY_WEIGHT = _MAX_GROUP // BLOCK_SPAN
_MAX_WAIT = 5.0  # seconds a caller may wait: clients give up and come back
_DEFAULTS = LogOptions()


class SqliteLog:
    """The writer of one region's log. Make it with `open`; see `postroad.log.base.Log` for the promises."""

    def __init__(self, writer: LogWriter, lock: Lock, max_queue: int) -> None:
        self._writer = writer
        self._lock: Lock | None = lock
        self._commit: GroupCommit[Append, Receipt] = GroupCommit(
            writer.write, max_group=_MAX_GROUP, max_queue=max_queue, max_wait=_MAX_WAIT
        )

    @classmethod
    def open(
        cls,
        folder: Path,
        clock: Clock,
        options: LogOptions = _DEFAULTS,
        *,
        connect: Connect = connect_writer,
        digest: Digest = xxh3_64_intdigest,
        free: Callable[[Path], int] = free_bytes,
        known_end: int = 0,
    ) -> "SqliteLog":
        """Open the log in `folder`, or make it. Blocks for about 0.2 s a million ids in the window.

        `known_end` is an offset above all that is known of the log elsewhere: when it ends below, or below what it has
        written down itself, it goes on above both, in a new epoch. Damage stops nothing, see `opening`.

        Raises `StoreLocked`, `StoreVersion`, and `StoreUnavailable` when the folder can't be used at all. A disk that
        is full is no error here: the log is not `healthy` then and heals by itself.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = Lock(folder / "writer.lock")
        except OSError as error:
            raise StoreUnavailable(f"{folder}: {error.strerror}") from error
        writer = LogWriter(folder, clock, options, connect=connect, digest=digest, free=free, known_end=known_end)
        try:
            writer.open()
        except BaseException:
            writer.close()
            lock.release()
            raise
        return cls(writer, lock, options.max_queue)

    async def append(self, entries: Sequence[Entry], window: int = 0) -> Receipt:
        """See `Log.append`."""
        count = len(entries)
        if count == 1:  # most appends: without the list and the sum
            key, value = entries[0]
            weight = len(key) + len(value) + _ENTRY_WEIGHT
        elif count <= BLOCK_SPAN:
            weight = sum([len(key) + len(value) for key, value in entries]) + count * _ENTRY_WEIGHT
        else:
            raise ValueError(f"an append has at most {BLOCK_SPAN} entries, not {count}")
        return await self._commit.submit(Append(entries, window), weight)

    async def check(self) -> bool:
        """See `Log.check`."""
        try:
            await self._commit.submit(Append((), 0), 0)
        except StoreUnavailable:
            return False
        return self.healthy

    async def retire(self, before: int, age: float) -> int:
        """See `Log.retire`."""
        return await asyncio.to_thread(self._writer.retire, before, age)

    async def record_end(self) -> None:
        """See `Log.record_end`."""
        await asyncio.to_thread(self._writer.record_end)

    @property
    def queued(self) -> int:
        """See `Log.queued`."""
        return self._commit.queued

    @property
    def full(self) -> bool:
        """See `Log.full`."""
        return self._commit.full

    @property
    def windows(self) -> Sequence[Window]:
        """See `Log.windows`."""
        return self._writer.windows()

    @property
    def healthy(self) -> bool:
        """See `Log.healthy`."""
        return self._writer.healthy and not self._commit.overdue

    async def close(self) -> None:
        """See `Log.close`."""
        await self._commit.close()
        if self._lock is not None:
            await asyncio.to_thread(self._writer.close)
            self._lock.release()
            self._lock = None
