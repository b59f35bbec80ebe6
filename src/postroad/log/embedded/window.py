"""The dedup window: which entries were stored before. A hash that matches is compared with the stored key.

All times in here are the log's own (ticks) but for `SegmentHead.at`, which people see.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import structlog

from postroad.clock import MICROSECONDS
from postroad.log.base import Record, Window, number_of, offset_of, position_of
from postroad.log.embedded.blocks import BlockFiles
from postroad.log.embedded.dedup import Candidates, HashWindow, Uint64s
from postroad.log.embedded.digests import UNKEYED, Digest, erased_key
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.tables import Opened, SegmentHead, Tail, first_of_appended, first_of_ticks, rows

_SAMPLES = 1024  # how fine the window's extent is known
_SMALLEST_TABLE = 1 << 18
_ROWS = 1024  # rows read at once while the table is rebuilt
_LOAD = 1 << 16  # ids added at once while the table is rebuilt
_HASH = np.dtype("<u8")


class _Row(NamedTuple):
    """What the window is rebuilt from, one a block."""

    number: int
    at: int
    ticks: int
    appended: int
    hashes: bytes


class DedupWindow:
    """Answers for the last `window_age` seconds or `window_ids` keys, whichever is less, of what is kept.

    What a look-up may cost is bounded, see `dedup`: `crowded` counts the keys that were taken for new, or won't be
    recognised, because too many share their hash. It is 0 unless somebody knows the log's secret.

    For one thread at a time; only `extent` may be called from another one.
    """

    def __init__(self, files: BlockFiles, options: LogOptions, digest: Digest) -> None:
        self._files = files
        self._digest = digest
        self._ids = options.window_ids
        self._age = round(options.window_age * MICROSECONDS)
        largest = options.table_slots
        self._smallest, self._largest = min(largest, _SMALLEST_TABLE), largest
        self._candidates = options.candidates
        self._hashes = self._empty()
        self._unkeyed: HashWindow | None = None  # what format 1 has stored, as long as it is inside
        self._last_unkeyed = SegmentHead(0, 0, 0, 0)
        self._samples: deque[SegmentHead] = deque()
        self._appended = 0
        self._cut = 0
        self._told = 0

    def find(self, keys: Sequence[bytes], hashes: Uint64s, secret: bytes, now: int) -> dict[int, Record]:
        """Return the stored record of each key that repeats one, by its index in `keys`; `hashes` are keyed with
        `secret`.
        """
        pairs, cut = self._hashes.find(hashes)
        if self._unkeyed is not None:
            older = self._find_unkeyed(self._unkeyed, keys, now)
            pairs, cut = pairs + older.pairs, cut | older.cut
        found: dict[int, Record] = {}
        # The newest first: a key can be stored again after it has left the window.
        for index, offset in sorted(pairs, key=lambda pair: -pair[1]):
            if index in found:
                continue
            record, key = self._record(offset, now), keys[index]
            if record is not None and (
                record.key == key or (record.is_erased and record.key == erased_key(secret, key))
            ):
                found[index] = record
        if cut:
            self._cut += len(cut - found.keys())
            self._complain()
        return found

    def add(self, number: int, hashes: Uint64s, *, at: int, now: int) -> None:
        """Remember the records of a block that is durable, appended `at` the wall clock's time and `now`."""
        start = offset_of(number, 0)
        self._hashes.add(hashes, np.arange(start, start + len(hashes), dtype=np.uint64), now)
        self._note(SegmentHead(number, self._appended, at, now), len(hashes))
        self._complain()

    def load(self, start: int, tail: Tail, now: int) -> None:
        """Remember what the files hold from block `start` on, as far as it belongs to the window and can be read."""
        for opened in self._files.opened(start):
            recent = first_of_ticks(opened, now - self._age)
            counted = first_of_appended(opened, tail.appended - self._ids + 1)
            if recent is not None and counted is not None:
                self._load_segment(opened, max(start, recent, counted))
        self._appended = tail.appended

    def forget_before(self, head: SegmentHead) -> None:
        """Take note that the log begins with this block now."""
        while self._samples and self._samples[0].number <= head.number:
            self._samples.popleft()
        self._samples.appendleft(head)

    def extent(self, now: int) -> Window:
        """Return the window as it is now, a thousandth of it too short at most."""
        appended = self._appended
        for sample in tuple(self._samples):
            if self._inside(sample, now):
                return Window(appended - sample.before, sample.at, self.crowded)
        return Window(0, None, self.crowded)

    @property
    def crowded(self) -> int:
        """How many keys so far too many others shared the hash of; a number for people."""
        older = self._unkeyed
        return self._cut + self._hashes.unplaced + (older.unplaced if older is not None else 0)

    def _complain(self) -> None:
        """Log it when it begins, and each time that there are twice as many."""
        crowded = self.crowded
        if crowded > 2 * self._told:
            self._told = crowded
            structlog.get_logger("postroad.log").warning(
                "message ids share a hash: some were stored without a look at all that they may repeat", ids=crowded
            )

    def _empty(self) -> HashWindow:
        return HashWindow(self._ids, self._age, self._smallest, self._largest, self._candidates)

    def _find_unkeyed(self, table: HashWindow, keys: Sequence[bytes], now: int) -> Candidates:
        """Look up what format 1 has stored; let go of it when all of it has left the window."""
        if not self._inside(self._last_unkeyed, now):
            self._unkeyed = None
            return Candidates([], set())
        return table.find(np.fromiter((self._digest(key, UNKEYED) for key in keys), np.uint64, len(keys)))

    def _record(self, offset: int, now: int) -> Record | None:
        """Return the record at `offset` if it is inside the window. A damaged block repeats nothing: storing its
        entries again is the repair.
        """
        stored = self._files.block(number_of(offset))
        if stored is None or position_of(offset) >= len(stored.block.records):
            return None
        place = SegmentHead(
            stored.block.number, stored.before + position_of(offset), stored.block.appended_at, stored.ticks
        )
        return stored.block.records[position_of(offset)] if self._inside(place, now) else None

    def _inside(self, place: SegmentHead, now: int) -> bool:
        return place.before >= self._appended - self._ids and place.ticks >= now - self._age

    def _note(self, head: SegmentHead, count: int) -> None:
        """Count a block in, and keep a sample of it unless the last one is close."""
        last = self._samples[-1] if self._samples else None
        if (
            last is None
            or head.before - last.before >= self._ids // _SAMPLES
            or head.ticks - last.ticks >= self._age // _SAMPLES
        ):
            self._samples.append(head)
        self._appended = head.before + count
        while len(self._samples) > 1 and not self._inside(self._samples[0], head.ticks):
            self._samples.popleft()

    def _load_segment(self, opened: Opened, start: int) -> None:
        waiting: list[_Row] = []
        size = 0
        for row in rows(opened, f"appended_at, {opened.meta.ticks_column}, appended, hashes", start, _ROWS):
            if not _fits(row):
                continue
            waiting.append(_Row(*row))
            size += len(row[4]) // _HASH.itemsize
            if size >= _LOAD:
                self._load_rows(opened, waiting)
                waiting, size = [], 0
        if waiting:
            self._load_rows(opened, waiting)

    def _load_rows(self, opened: Opened, loaded: Sequence[_Row]) -> None:
        hashes = np.frombuffer(b"".join([row.hashes for row in loaded]), _HASH).astype(np.uint64)
        counts = np.array([len(row.hashes) // _HASH.itemsize for row in loaded])
        starts = np.array([offset_of(row.number, 0) for row in loaded])
        positions = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
        offsets = (np.repeat(starts, counts) + positions).astype(np.uint64)
        self._table_of(opened).add(hashes, offsets, loaded[-1].ticks)
        for row, count in zip(loaded, counts.tolist(), strict=True):
            head = SegmentHead(row.number, row.appended - count, row.at, row.ticks)
            self._note(head, count)
            if opened.meta.format == 1:
                self._last_unkeyed = head._replace(before=row.appended - 1)

    def _table_of(self, opened: Opened) -> HashWindow:
        if opened.meta.format > 1:
            return self._hashes
        if self._unkeyed is None:
            self._unkeyed = self._empty()
        return self._unkeyed


def _fits(row: Sequence[Any]) -> bool:
    """Tell whether a row is what was written, as far as that shows."""
    *figures, hashes = row
    return (
        isinstance(hashes, bytes)
        and not len(hashes) % _HASH.itemsize
        and all(isinstance(figure, int) for figure in figures)
    )
