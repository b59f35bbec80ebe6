"""The dedup window: which entries were stored before. A hash that matches is compared with the stored key."""

import sqlite3
from collections import deque
from collections.abc import Sequence

import numpy as np

from postroad.clock import MICROSECONDS
from postroad.errors import StoreError, StoreUnavailable
from postroad.log.base import Record, Window, number_of, offset_of, position_of
from postroad.log.blocks import BlockFiles
from postroad.log.dedup import HashWindow, Uint64s
from postroad.log.options import LogOptions
from postroad.log.segments import Head, Tail, failures_of, search

_SAMPLES = 1024  # how fine the window's extent is known
_SMALLEST_TABLE = 1 << 18
_LOAD = 1 << 16  # ids added at once while the table is rebuilt
_HASH = np.dtype("<u8")


class DedupWindow:
    """Answers for the last `window_age` seconds or `window_ids` keys, whichever is less, of what is kept.

    For one thread at a time; only `extent` may be called from another one.
    """

    def __init__(self, files: BlockFiles, options: LogOptions) -> None:
        self._files = files
        self._ids = options.window_ids
        self._age = round(options.window_age * MICROSECONDS)
        largest = options.table_slots
        self._hashes = HashWindow(self._ids, self._age, min(largest, _SMALLEST_TABLE), largest)
        self._samples: deque[Head] = deque()
        self._appended = 0

    def find(self, keys: Sequence[bytes], hashes: Uint64s, now: int) -> dict[int, Record]:
        """Return the stored record of each key that repeats one, by its index in `keys`."""
        candidates = self._hashes.find(hashes)
        found: dict[int, Record] = {}
        # The newest first: a key can be stored again after it has left the window.
        for index, offset in sorted(candidates, key=lambda candidate: -candidate[1]):
            if index in found:
                continue
            record = self._record(offset, now)
            if record is not None and record.key == keys[index]:
                found[index] = record
        return found

    def add(self, number: int, hashes: Uint64s, at: int) -> None:
        """Remember the records of a block that is durable."""
        start = offset_of(number, 0)
        self._hashes.add(hashes, np.arange(start, start + len(hashes), dtype=np.uint64), at)
        self._note(number, len(hashes), at)

    def load(self, start: int, tail: Tail, now: int) -> None:
        """Remember what the files hold from block `start` on, as far as it belongs to the window."""
        for segment, db in self._files.databases(start):
            with failures_of(segment.path):
                recent = search(db, "appended_at", now - self._age)
                counted = search(db, "appended", tail.appended - self._ids + 1)
                if recent is not None and counted is not None:
                    self._load_segment(db, max(start, recent, counted))
        self._appended = tail.appended

    def forget_before(self, head: Head) -> None:
        """Take note that the log begins with this block now."""
        while self._samples and self._samples[0].number <= head.number:
            self._samples.popleft()
        self._samples.appendleft(head)

    def extent(self, now: int) -> Window:
        """Return the window as it is now, a thousandth of it too short at most."""
        appended = self._appended
        for sample in tuple(self._samples):
            if self._inside(sample, now):
                return Window(appended - sample.before, sample.at)
        return Window(0, None)

    def _record(self, offset: int, now: int) -> Record | None:
        """Return the record at `offset` if it is inside the window."""
        try:
            stored = self._files.block(number_of(offset))
        except StoreUnavailable:
            raise
        except StoreError:
            return None  # a damaged block repeats nothing: storing its entries again is the repair
        if stored is None:
            return None
        position = position_of(offset)
        if not self._inside(Head(stored.block.number, stored.before + position, stored.block.appended_at), now):
            return None
        return stored.block.records[position]

    def _inside(self, place: Head, now: int) -> bool:
        return place.before >= self._appended - self._ids and place.at >= now - self._age

    def _note(self, number: int, count: int, at: int) -> None:
        """Count a block in, and keep a sample of it unless the last one is close."""
        last = self._samples[-1] if self._samples else None
        if (
            last is None
            or self._appended - last.before >= self._ids // _SAMPLES
            or at - last.at >= self._age // _SAMPLES
        ):
            self._samples.append(Head(number, self._appended, at))
        self._appended += count
        while len(self._samples) > 1 and not self._inside(self._samples[0], at):
            self._samples.popleft()

    def _load_segment(self, db: sqlite3.Connection, start: int) -> None:
        rows = db.execute("SELECT number, appended_at, appended, hashes FROM block WHERE number >= ?", (start,))
        waiting: list[tuple[int, int, int, bytes]] = []
        size = 0
        for row in rows:
            waiting.append(row)
            size += len(row[3]) // _HASH.itemsize
            if size >= _LOAD:
                self._load_rows(waiting)
                waiting, size = [], 0
        if waiting:
            self._load_rows(waiting)

    def _load_rows(self, rows: Sequence[tuple[int, int, int, bytes]]) -> None:
        hashes = np.frombuffer(b"".join(row[3] for row in rows), _HASH).astype(np.uint64)
        counts = np.array([len(row[3]) // _HASH.itemsize for row in rows])
        starts = np.array([offset_of(row[0], 0) for row in rows])
        positions = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
        self._hashes.add(hashes, (np.repeat(starts, counts) + positions).astype(np.uint64), rows[-1][1])
        for (number, at, appended, _), count in zip(rows, counts.tolist(), strict=True):
            self._appended = appended - count
            self._note(number, count, at)
