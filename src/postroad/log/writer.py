"""The one writer of a log's files: it appends, cuts, retires, and after a failure opens them again.

What is on disk decides. Every figure is read from the files when they are opened, and a commit that failed
ends in opening again: only that shows whether its block is there after all.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from postroad.clock import MICROSECONDS, Clock
from postroad.errors import StoreError, StoreUnavailable
from postroad.files import Connect, checkpoint, sync_folder
from postroad.log.active import ActiveSegment
from postroad.log.base import Entry, Receipt, Window, offset_of
from postroad.log.blocks import BlockFiles
from postroad.log.codec import BlockCodec
from postroad.log.floor import DiskFloor
from postroad.log.options import MIB, LogOptions
from postroad.log.receipts import all_new, sort_out
from postroad.log.segments import (
    NOTHING,
    Head,
    Segment,
    Tail,
    failures_of,
    list_segments,
    read_head,
    read_tail,
    remove_segment,
    segment_at,
    wal_size,
)
from postroad.log.window import DedupWindow

Digest = Callable[[bytes], int]

_CACHE = 16 * MIB  # decoded blocks kept for duplicates, which come in clusters


class LogWriter:
    """Writes groups of appends, each as one block. Blocking; `write`, `retire` and `close` exclude each other.

    `digest` maps a key to 64 bits, `free` tells the free bytes of a folder's disk, `connect` opens a
    segment for writing.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        options: LogOptions,
        *,
        connect: Connect,
        digest: Digest,
        free: Callable[[Path], int],
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._options = options
        self._connect = connect
        self._digest = digest
        self._floor = DiskFloor(folder, options.disk_floor, clock, free)
        self._lock = threading.Lock()
        self._codec = BlockCodec()
        self._files = BlockFiles(folder, _CACHE)
        self._active: ActiveSegment | None = None
        self._next = 0
        self._forget()

    @property
    def healthy(self) -> bool:
        """Whether the next group can be written, as far as is known."""
        return self._active is not None and not self._floor.low

    def window(self) -> Window:
        """Return the dedup window as it is now; may be called from any thread."""
        return self._window.extent(self._clock.now())

    def open(self) -> None:
        """Open the files, make the first, and rebuild the dedup window.

        Raises `StoreVersion` and `StoreError` when that needs a person. When the store can't write now it
        stays closed and not `healthy`, and the next `write` tries again.
        """
        with self._lock:
            try:
                self._reopen()
            except StoreUnavailable:
                self._abandon()

    def write(self, appends: Sequence[Sequence[Entry]]) -> Sequence[Receipt]:
        """Store the entries of all appends as one block and return a receipt each; durable on return.

        No append at all only makes sure that the next one can be written. Raises `StoreUnavailable`.
        """
        with self._lock:
            self._floor.check()
            with self._giving_up():
                return self._append(self._active or self._reopen(), appends)

    def retire(self, before: int, age: float) -> int:
        """Remove segments as `Log.retire` says, from the oldest on. Returns how many records went."""
        oldest = self._clock.now() - round(age * MICROSECONDS)
        gone = 0
        with self._lock:
            self._files.refresh()
            for segment, following in pairwise(self._files.segments):
                tail, head = self._ends_of(segment)
                if tail.last >= before or tail.last_at >= oldest:
                    break
                with failures_of(segment.path):
                    remove_segment(segment)
                    sync_folder(self._folder)
                gone += tail.appended - head.before if head else 0
                _, head = self._ends_of(following)
                if head is not None:
                    self._window.forget_before(head)
            self._files.refresh()
        return gone

    def close(self) -> None:
        """Close all files, with everything in the segments themselves unless a reader is in the way."""
        with self._lock:
            self._files.close()
            self._abandon()
            with suppress(StoreError):
                for segment in list_segments(self._folder):
                    if wal_size(segment):
                        with suppress(sqlite3.Error, OSError), closing(self._connect(segment.path)) as db:
                            checkpoint(db)

    def _room(self, active: ActiveSegment) -> ActiveSegment:
        """Return the segment that the next block belongs into, which is a new one when the last is full."""
        now = self._clock.now()
        if not active.is_full(self._options, now):
            return active
        ended = active.tail
        segment = segment_at(self._folder, ended.following)
        self._active = ActiveSegment(segment, self._connect, lambda: ended, now)
        active.seal()
        self._files.refresh()
        return self._active

    def _append(self, active: ActiveSegment, appends: Sequence[Sequence[Entry]]) -> Sequence[Receipt]:
        entries = list(chain.from_iterable(appends))
        keys = [entry[0] for entry in entries]
        hashes = np.fromiter(map(self._digest, keys), np.uint64, len(keys))
        now = max(self._clock.now(), active.tail.last_at)
        number = max(self._next, active.tail.following)
        stored = self._window.find(keys, hashes, now)
        if not stored and len(set(keys)) == len(keys):
            fresh, receipts = all_new(appends, offset_of(number, 0))
        else:
            fresh, receipts = sort_out(appends, stored, offset_of(number, 0))
            entries = [entries[index] for index in fresh]
            hashes = hashes[fresh]
        duplicates = len(keys) - len(fresh)
        if fresh:
            self._next = number + 1  # before the commit: should it fail, its offsets are not used again
            body = self._codec.pack(entries)
            packed = hashes.astype("<u8", copy=False).tobytes()
            self._room(active).store(number, now, count=len(fresh), duplicates=duplicates, hashes=packed, body=body)
            self._floor.wrote(len(body))
            self._window.add(number, hashes, now)
            self._loaded = number + 1
        elif duplicates:
            active.count_duplicates(duplicates)
        return receipts

    def _reopen(self) -> ActiveSegment:
        """Open the newest segment and bring the dedup window up to what is really stored."""
        self._files.close()
        self._files.refresh()
        segments = self._files.segments or [segment_at(self._folder, 0)]
        now = self._clock.now()
        with failures_of(segments[-1].path):
            active = ActiveSegment(segments[-1], self._connect, lambda: self._tail_of(segments[:-1]), now)
        try:
            self._files.refresh()
            self._window.load(self._loaded, active.tail, max(now, active.tail.last_at))
        except BaseException:
            active.close()
            self._forget()
            raise
        self._loaded = active.tail.following
        self._active = active
        return active

    def _tail_of(self, segments: Sequence[Segment]) -> Tail:
        return self._ends_of(segments[-1])[0] if segments else NOTHING

    def _ends_of(self, segment: Segment) -> tuple[Tail, Head | None]:
        db = self._files.database(segment)
        if db is None:
            raise StoreUnavailable(f"{segment.path}: is gone or empty")
        with failures_of(segment.path):
            return read_tail(db, segment), read_head(db)

    def _forget(self) -> None:
        """Begin with an empty dedup window, which the next `_reopen` fills."""
        self._window = DedupWindow(self._files, self._options)
        self._loaded = 0

    def _abandon(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            active.close()

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Whatever goes wrong inside, the segment is opened again before the next group."""
        try:
            yield
        except (sqlite3.Error, OSError, StoreError) as error:
            self._abandon()
            raise StoreUnavailable(
                str(error) if isinstance(error, StoreError) else f"{self._folder}: {error}"
            ) from error
        except BaseException:
            self._abandon()
            raise
