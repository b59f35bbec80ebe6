"""The one writer of a log's files: it appends, cuts, retires, and after a failure opens them again.

What is on disk decides. Every figure is read from the files when they are opened, and a commit that failed
ends in opening again: only that shows whether its block is there after all.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from postroad.clock import MICROSECONDS, Clock
from postroad.errors import StoreError, StoreUnavailable
from postroad.log.base import Entry, Receipt, Window, offset_of
from postroad.log.embedded.active import ActiveSegment
from postroad.log.embedded.blocks import BlockFiles
from postroad.log.embedded.codec import BlockCodec, Stamp
from postroad.log.embedded.digests import Digest, seed_of
from postroad.log.embedded.floor import DiskFloor
from postroad.log.embedded.opening import open_active
from postroad.log.embedded.options import MIB, LogOptions
from postroad.log.embedded.own_time import OwnTime
from postroad.log.embedded.receipts import all_new, sort_out
from postroad.log.embedded.recorder import EndsRecorder
from postroad.log.embedded.retention import retire_segments
from postroad.log.embedded.segments import SegmentFile, is_damage, list_segments, segment_at, wal_size
from postroad.log.embedded.stretches import Stretches
from postroad.log.embedded.which import Others, pack_which
from postroad.log.embedded.window import DedupWindow
from postroad.storage.files import Connect, checkpoint

_CACHE = 16 * MIB  # decoded blocks kept for duplicates, which come in clusters


class Append(NamedTuple):
    """What one append stores, and the number of the window that its keys go into."""

    entries: Sequence[Entry]
    window: int


class LogWriter:
    """Writes groups of appends, each as one block. Blocking; `write`, `retire` and `close` exclude each other.

    `digest` maps a key and a seed to 64 bits, `free` tells the free bytes of a folder's disk, `connect` opens a
    segment for writing. `known_end` is an offset above all that the log's users know of it.
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
        known_end: int = 0,
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
        self._known_end = known_end
        self._time = OwnTime(clock)
        self._recorder = EndsRecorder(folder, clock, self._time)
        self._distrusted: SegmentFile | None = None
        self._active: ActiveSegment | None = None
        self._seed = 0
        self._owner = b""
        self._next = 0
        self._forget()

    @property
    def healthy(self) -> bool:
        """Whether the next group can be written, as far as is known."""
        return self._active is not None and not self._floor.low

    def windows(self) -> Sequence[Window]:
        """Return the dedup windows as they are now; may be called from any thread."""
        return self._window.extents(self._time.now())

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

    def write(self, appends: Sequence[Append]) -> Sequence[Receipt]:
        """Store the entries of all appends as one block and return a receipt each; durable on return.

        No append at all only makes sure that the next one can be written. Raises `StoreUnavailable`.
        """
        with self._lock:
            self._floor.check()
            with self._giving_up():
                return self._append(self._active or self._reopen(), appends)

    def retire(self, before: int, age: float) -> int:
        """Remove segments as `Log.retire` says, from the oldest on. Returns how many records went."""
        with self._lock:
            self._files.refresh()
            oldest = self._time.now() - round(age * MICROSECONDS)
            going = retire_segments(self._files, before, oldest)
            gone = self._recorder.begin_at(going.first, going.retired) if going is not None else 0
            if going is not None:
                self._recorder.write()  # first: readers must not miss what went
                going.remove(self._folder)
                self._files.refresh()
                if going.head is not None:
                    self._window.forget_before(going.head)
        return gone

    def record_end(self) -> None:
        """Write down where the log begins and ends, as `Log.record_end` says. Waits for no append."""
        self._recorder.write(only_news=True)

    def close(self) -> None:
        """Close all files, with everything in the segments themselves unless a reader is in the way."""
        with self._lock:
            with suppress(StoreUnavailable):  # the next start finds the end by itself
                self.record_end()
            self._files.close()
            self._abandon()
            with suppress(StoreError):
                for segment in list_segments(self._folder):
                    if wal_size(segment):
                        with suppress(sqlite3.Error, OSError), closing(self._connect(segment.path)) as db:
                            checkpoint(db)

    def _room(self, active: ActiveSegment, ticks: int) -> ActiveSegment:
        """Return the segment that the next block belongs into, which is a new one when the last is full."""
        if not active.is_full(self._options, ticks):
            return active
        segment = segment_at(self._folder, active.tail.following)
        meta = active.meta._replace(created_at=self._clock.now(), ticks=ticks)
        self._active = ActiveSegment(segment, self._connect, active.tail, meta)
        self._recorder.follow(self._active)
        active.seal()
        self._files.refresh()
        return self._active

    def _append(self, active: ActiveSegment, group: Sequence[Append]) -> Sequence[Receipt]:
        appends = [append[0] for append in group]
        entries = list(chain.from_iterable(appends))
        keys = [entry[0] for entry in entries]
        hashes = np.fromiter(map(self._digest, keys, repeat(self._seed)), np.uint64, len(keys))
        at, ticks = self._clock.now(), max(self._time.now(), active.tail.ticks)
        number = max(self._next, active.tail.following)
        stored = self._window.find(keys, hashes, active.meta.secret, ticks)
        if not stored and len(set(keys)) == len(keys):
            fresh, receipts = all_new(appends, offset_of(number, 0))
            others = _others(group)
        else:
            fresh, receipts = sort_out(appends, stored, offset_of(number, 0))
            entries = [entries[index] for index in fresh]
            hashes = hashes[fresh]
            others = _others(group)[fresh]
        duplicates = len(keys) - len(fresh)
        if fresh:
            self._next = number + 1  # before the commit: should it fail, its offsets are not used again
            body = self._codec.pack(Stamp(self._owner, number, active.tail.appended + len(fresh), at, ticks), entries)
            packed = hashes.astype("<u8", copy=False).tobytes()
            self._room(active, ticks).store(
                number,
                at,
                ticks,
                count=len(fresh),
                duplicates=duplicates,
                others=int(np.count_nonzero(others)),
                which=pack_which(others),
                hashes=packed,
                body=body,
            )
            self._floor.wrote(len(body))
            self._window.add(number, hashes, others, at=at, now=ticks)
            self._loaded = number + 1
        elif duplicates:
            active.count_duplicates(duplicates)
        return receipts

    def _reopen(self) -> ActiveSegment:
        """Open the newest segment and bring the dedup window up to what is really stored."""
        self._files.close()
        self._files.refresh()
        distrusted, self._distrusted = self._distrusted, None
        written, newest = self._files.ends(), self._files.newest()
        has_written = newest is not None and newest.meta.format > 1
        active = open_active(
            self._files,
            self._connect,
            self._clock.now(),
            self._time.go_on,
            known_end=self._known_end,
            distrusted=distrusted,
        )
        try:
            self._files.refresh()
            self._window.load(self._loaded, active.tail, self._time.now())
            self._recorder.begin_at(*Stretches(self._files).begin())
            self._recorder.follow(active)
            self._recorder.doubt(written.doubtful if written else active.tail.following if has_written else 0)
            self._recorder.write()
        except BaseException:
            active.close()
            self._forget()
            raise
        self._seed, self._owner = seed_of(active.meta.secret), active.meta.owner
        self._loaded = active.tail.following
        self._active = active
        return active

    def _forget(self) -> None:
        """Begin with an empty dedup window, which the next `_reopen` fills."""
        self._window = DedupWindow(self._files, self._options, self._digest)
        self._loaded = 0

    def _abandon(self) -> None:
        """Let every file go. SQLite shares what it maps among a process's connections: one that was opened while the
        disk was read-only would keep all later ones from writing.
        """
        self._files.close()
        active, self._active = self._active, None
        if active is not None:
            active.close()

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Whatever goes wrong inside, the segment is opened again before the next group."""
        try:
            yield
        except (sqlite3.Error, OSError, StoreError) as error:
            if self._active is not None and is_damage(error):
                self._distrusted = self._active.segment
            self._abandon()
            raise StoreUnavailable(
                str(error) if isinstance(error, StoreError) else f"{self._folder}: {error}"
            ) from error
        except BaseException:
            self._abandon()
            raise


def _others(group: Sequence[Append]) -> Others:
    """Return of each entry of a group whether it is of the second window."""
    return np.repeat([append.window > 0 for append in group], [len(append.entries) for append in group])
