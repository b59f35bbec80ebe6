"""The dedup windows: which entries were stored before. A hash that matches is compared with the stored key.

All times in here are the log's own (ticks) but for `SegmentHead.at`, which people see.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import structlog

from postroad.clock import MICROSECONDS
from postroad.log.base import WINDOWS, Record, Window, number_of, offset_of, position_of
from postroad.log.embedded.blocks import BlockFiles
from postroad.log.embedded.dedup import Candidates, HashWindow, Uint64s
from postroad.log.embedded.digests import UNKEYED, Digest, erased_key
from postroad.log.embedded.extent import Extent
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.tables import Opened, SegmentHead, Tail, first_of_ticks, first_of_window, rows
from postroad.log.embedded.which import Others, fits, is_other, others_before, unpack_which

_SMALLEST_TABLE = 1 << 18
_ROWS = 1024  # rows read at once while the table is rebuilt
_LOAD = 1 << 16  # ids added at once while the table is rebuilt
_HASH = np.dtype("<u8")
_OF_WINDOW = ("number >= ?", "which != x'' AND number >= ?")


class _Row(NamedTuple):
    """What a window is rebuilt from, one a block."""

    number: int
    at: int
    ticks: int
    appended: int
    others: int
    which: bytes
    hashes: bytes

    @property
    def size(self) -> int:
        """How many records it has."""
        return len(self.hashes) // _HASH.itemsize


class _Part:
    """One of the windows: its hashes, its extent, and how often its look-ups were cut short."""

    def __init__(self, hashes: HashWindow, extent: Extent) -> None:
        self.hashes = hashes
        self.extent = extent
        self.cut = 0


class DedupWindow:
    """Answers for the last `window_age` seconds or `window_ids` keys, whichever is less, of what is kept: in each of
    the windows. A key is looked for in all of them, whichever it goes into.

    What a look-up may cost is bounded, see `dedup`: `Window.crowded` counts the keys that were taken for new, or won't
    be recognised, because too many share their hash. It is 0 unless somebody knows the log's secret.

    For one thread at a time; only `extents` may be called from another one.
    """

    def __init__(self, files: BlockFiles, options: LogOptions, digest: Digest) -> None:
        self._files = files
        self._digest = digest
        self._ids = options.window_ids
        self._age = round(options.window_age * MICROSECONDS)
        largest = options.table_slots
        self._smallest, self._largest = min(largest, _SMALLEST_TABLE), largest
        self._candidates = options.candidates
        self._parts = [_Part(self._empty(), Extent(self._ids, self._age)) for _ in range(WINDOWS)]
        self._unkeyed: HashWindow | None = None  # what format 1 has stored, as long as it is inside
        self._last_unkeyed = SegmentHead(0, 0, 0, 0)
        self._told = 0

    def find(self, keys: Sequence[bytes], hashes: Uint64s, secret: bytes, now: int) -> dict[int, Record]:
        """Return the stored record of each key that repeats one, by its index in `keys`; `hashes` are keyed with
        `secret`.
        """
        candidates = [part.hashes.find(hashes) if part.hashes.count else Candidates([], set()) for part in self._parts]
        if self._unkeyed is not None:
            older = self._find_unkeyed(self._unkeyed, keys, now)
            candidates[0] = Candidates(candidates[0].pairs + older.pairs, candidates[0].cut | older.cut)
        found: dict[int, Record] = {}
        # The newest first: a key can be stored again after it has left the window.
        pairs = [pair for one in candidates for pair in one.pairs]
        for index, offset in sorted(pairs, key=lambda pair: -pair[1]):
            if index in found:
                continue
            record, key = self._record(offset, now), keys[index]
            if record is not None and (
                record.key == key or (record.is_erased and record.key == erased_key(secret, key))
            ):
                found[index] = record
        for part, one in zip(self._parts, candidates, strict=True):
            if one.cut:
                part.cut += len(one.cut - found.keys())
                self._complain()
        return found

    def add(self, number: int, hashes: Uint64s, others: Others, *, at: int, now: int) -> None:
        """Remember the records of a block that is durable, appended `at` the wall clock's time and `now`; `others` of
        them go into the second window.
        """
        offsets = np.arange(offset_of(number, 0), offset_of(number, 0) + len(hashes), dtype=np.uint64)
        for part, mask in zip(self._parts, (~others, others), strict=True):
            count = int(np.count_nonzero(mask))
            if count:
                whole = count == len(hashes)
                part.hashes.add(hashes if whole else hashes[mask], offsets if whole else offsets[mask], now)
                part.extent.note(SegmentHead(number, part.extent.appended, at, now), count)
        self._complain()

    def load(self, start: int, tail: Tail, now: int) -> None:
        """Remember what the files hold from block `start` on, as far as it belongs to a window and can be read."""
        for window, total in enumerate((tail.appended - tail.others, tail.others)):
            for opened in self._files.opened(start):
                recent = first_of_ticks(opened, now - self._age)
                counted = first_of_window(opened, window, total - self._ids + 1)
                if recent is not None and counted is not None:
                    self._load_segment(opened, max(start, recent, counted), window)
            self._parts[window].extent.appended = total

    def forget_before(self, head: SegmentHead) -> None:
        """Take note that the log begins with this block now."""
        for part, before in zip(self._parts, (head.before - head.others, head.others), strict=True):
            part.extent.forget_before(head._replace(before=before))

    def extents(self, now: int) -> Sequence[Window]:
        """Return the windows as they are now, a thousandth of each too short at most."""
        return [Window(*part.extent.told(now), self._crowded(number)) for number, part in enumerate(self._parts)]

    def _crowded(self, number: int) -> int:
        """Return how many keys of a window so far too many others shared the hash of; a number for people."""
        part, older = self._parts[number], self._unkeyed if number == 0 else None
        return part.cut + part.hashes.unplaced + (older.unplaced if older is not None else 0)

    def _complain(self) -> None:
        """Log it when it begins, and each time that there are twice as many."""
        crowded = sum(map(self._crowded, range(WINDOWS)))
        if crowded > 2 * self._told:
            self._told = crowded
            structlog.get_logger("postroad.log").warning(
                "message ids share a hash: some were stored without a look at all that they may repeat", ids=crowded
            )

    def _empty(self) -> HashWindow:
        return HashWindow(self._ids, self._age, self._smallest, self._largest, self._candidates)

    def _find_unkeyed(self, table: HashWindow, keys: Sequence[bytes], now: int) -> Candidates:
        """Look up what format 1 has stored; let go of it when all of it has left the window."""
        if not self._parts[0].extent.holds(self._last_unkeyed.before, self._last_unkeyed.ticks, now):
            self._unkeyed = None
            return Candidates([], set())
        return table.find(np.fromiter((self._digest(key, UNKEYED) for key in keys), np.uint64, len(keys)))

    def _record(self, offset: int, now: int) -> Record | None:
        """Return the record at `offset` if it is inside its window. A damaged block repeats nothing: storing its
        entries again is the repair.
        """
        stored, position = self._files.block(number_of(offset)), position_of(offset)
        if stored is None or position >= len(stored.block.records):
            return None
        window = int(is_other(stored.which, position))
        others = stored.others + others_before(stored.which, position)
        before = others if window else stored.before + position - others
        inside = self._parts[window].extent.holds(before, stored.ticks, now)
        return stored.block.records[position] if inside else None

    def _load_segment(self, opened: Opened, start: int, window: int) -> None:
        waiting: list[_Row] = []
        size = 0
        meta = opened.meta
        columns = f"appended_at, {meta.ticks_column}, appended, {meta.others_column}, {meta.which_column}, hashes"
        for row in rows(opened, columns, start, _ROWS, _OF_WINDOW[window]):
            if not _fits(row):
                continue
            waiting.append(_Row(*row))
            size += waiting[-1].size
            if size >= _LOAD:
                self._load_rows(opened, waiting, window)
                waiting, size = [], 0
        if waiting:
            self._load_rows(opened, waiting, window)

    def _load_rows(self, opened: Opened, loaded: Sequence[_Row], window: int) -> None:
        hashes = np.frombuffer(b"".join([row.hashes for row in loaded]), _HASH).astype(np.uint64)
        counts = np.array([row.size for row in loaded])
        starts = np.array([offset_of(row.number, 0) for row in loaded])
        positions = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
        offsets = (np.repeat(starts, counts) + positions).astype(np.uint64)
        masks = [unpack_which(row.which, row.size) == bool(window) for row in loaded]
        mask = np.concatenate(masks)
        self._table_of(opened, window).add(hashes[mask], offsets[mask], loaded[-1].ticks)
        for row, own in zip(loaded, masks, strict=True):
            count = int(np.count_nonzero(own))
            after = row.others if window else row.appended - row.others
            head = SegmentHead(row.number, after - count, row.at, row.ticks)
            if count:
                self._parts[window].extent.note(head, count)
            if opened.meta.format == 1:
                self._last_unkeyed = head._replace(before=row.appended - 1)

    def _table_of(self, opened: Opened, window: int) -> HashWindow:
        if opened.meta.format > 1:
            return self._parts[window].hashes
        if self._unkeyed is None:
            self._unkeyed = self._empty()
        return self._unkeyed


def _fits(row: Sequence[Any]) -> bool:
    """Tell whether a row is what was written, as far as that shows."""
    *figures, which, hashes = row
    return (
        isinstance(hashes, bytes)
        and not len(hashes) % _HASH.itemsize
        and fits(which, len(hashes) // _HASH.itemsize)
        and all(isinstance(figure, int) for figure in figures)
    )
