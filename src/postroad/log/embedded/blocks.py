"""Reads blocks from the files of a log; shared by the readers and by the writer's look at what it repeats."""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from postroad.errors import StoreDamaged, StoreUnavailable
from postroad.log.base import Block, Ends
from postroad.log.embedded.codec import BlockCodec
from postroad.log.embedded.ends import EndsFile
from postroad.log.embedded.segments import SegmentFile, failures_of, list_segments, size_of, stamp_of
from postroad.log.embedded.tables import Meta, Opened, guess_meta, numbers_backwards, read_meta, rows
from postroad.log.embedded.which import fits, others_before
from postroad.storage.files import connect_reader, is_writable

_OPEN_FILES = 8
_WRITTEN = 2  # the newest segments: the one before may still be tidied up
_RECORD_COST = 250  # bytes of a record's key and of the Python objects around it
_NAMED = 10_000  # damaged blocks whose damage is remembered


class StoredBlock(NamedTuple):
    """A block as it is stored; `before` is how many records the log had got when it came, `ticks` the log's own time of
    that, `size` the bytes of its values. `others` of the records before it were of the second window, and `which` says
    which of its own are, see `which.py`.
    """

    block: Block
    before: int
    ticks: int
    size: int
    others: int = 0
    which: bytes = b""

    @property
    def appended(self) -> int:
        """How many records the log had got with it."""
        return self.before + len(self.block.records)

    @property
    def cost(self) -> int:
        """About the bytes of memory it takes."""
        return self.size + len(self.block.records) * _RECORD_COST


class BlockFiles:
    """The segments of one folder, opened when needed, and the blocks that were read last.

    For one thread at a time. `refresh` looks at the folder; nothing else does. A segment that vanishes
    is as if it had never been; one that can't be read, and a block that can't, are passed over and remembered in
    `broken` and `damaged`. Every method raises `StoreUnavailable` when a file can't be read now and `StoreVersion`
    when a newer Postroad wrote it.
    """

    def __init__(self, folder: Path, cache_bytes: int) -> None:
        self.folder = folder
        self.segments: list[SegmentFile] = []
        self._stamp: int | None = None
        self._sizes: dict[SegmentFile, int] = {}
        self.broken: dict[SegmentFile, str] = {}
        """What is wrong with segments that can't be read."""
        self.damaged: dict[int, str] = {}
        """What is wrong with blocks, by their number."""
        self._holes: dict[SegmentFile, list[tuple[int, int]]] = {}
        self._ends = EndsFile(folder)
        self._near: Meta | None = None
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[int, StoredBlock] = OrderedDict()
        self._cost = 0
        self._open: OrderedDict[SegmentFile, Opened] = OrderedDict()
        self._codec = BlockCodec()
        self._passing = False

    def refresh(self) -> None:
        """Take note of segments that came and went. The folder is listed only when it has changed."""
        stamp = stamp_of(self.folder)
        if stamp is not None and stamp == self._stamp:
            return
        segments = list_segments(self.folder)
        self._stamp = stamp
        if segments == self.segments:
            return
        for gone in self._open.keys() - set(segments):
            self._open.pop(gone).db.close()
        self.broken = {segment: why for segment, why in self.broken.items() if segment in segments}
        if segments[:1] != self.segments[:1]:
            self._cached.clear()
            self._cost = 0
        self.segments = segments

    def size(self) -> int:
        """Return how many bytes the segments take. Those that are not written any more are measured once."""
        sealed = self.segments[:-_WRITTEN]
        self._sizes = {segment: self._sizes.get(segment) or size_of(segment) for segment in sealed}
        return sum(self._sizes.values()) + sum(map(size_of, self.segments[-_WRITTEN:]))

    def ends(self) -> Ends | None:
        """Return what is written down of the log's ends, unless it is another log's."""
        ends, newest = self._ends.read(), self.newest()
        is_ours = ends is not None and (newest is None or newest.meta.identity in {"", ends.identity})
        return ends if is_ours else None

    def newest(self) -> Opened | None:
        """Return the newest segment that can be read."""
        return next(self.opened_backwards(), None)

    def open(self, segment: SegmentFile) -> Opened | None:
        """Return a segment with a connection to it; None when it is gone, not made yet, or can't be read."""
        opened = self._open.get(segment)
        if opened is not None:
            self._open.move_to_end(segment)
            return opened
        if segment in self.broken:
            return None
        passing = not is_writable(segment.path)  # before it is opened: it may become writable meanwhile
        try:
            opened = self._connected(segment)
        except StoreDamaged as error:
            self.broken[segment] = str(error)
            return None
        if opened is None:
            return None
        self._passing = self._passing or passing
        self._open[segment] = opened
        if len(self._open) > _OPEN_FILES:
            self._open.popitem(last=False)[1].db.close()
        return opened

    def holding(self, start: int, end: int | None = None) -> list[SegmentFile]:
        """Return the segments that may hold blocks `start <= number < end`, oldest first."""
        first = bisect_right(self.segments, start, key=lambda segment: segment.first) - 1
        last = None if end is None else bisect_left(self.segments, end, key=lambda segment: segment.first)
        return self.segments[max(0, first) : last]

    def opened(self, start: int = 0) -> Iterator[Opened]:
        """Yield the segments that may hold block `start` or a later one, oldest first. A connection is good
        until the next one is asked for.
        """
        for segment in self.holding(start):
            opened = self.open(segment)
            if opened is not None:
                yield opened

    def opened_backwards(self, end: int | None = None) -> Iterator[Opened]:
        """Yield the segments that may hold blocks below number `end`, the newest first."""
        for segment in reversed(self.holding(0, end)):
            opened = self.open(segment)
            if opened is not None:
                yield opened

    def blocks(self, start: int) -> Iterator[StoredBlock]:
        """Yield the blocks from number `start` on that can be read."""
        for opened in self.opened(start):
            for number, *_ in rows(opened, "NULL", start):
                stored = self._read(opened, number)
                if stored is not None:
                    yield stored

    def block(self, number: int) -> StoredBlock | None:
        """Return one block, None when it isn't there or can't be read."""
        for opened in self.opened(number):
            return self._read(opened, number)
        return None

    def block_before(self, number: int) -> StoredBlock | None:
        """Return the last block below `number` that can be read."""
        for opened in self.opened_backwards(number):
            for place in numbers_backwards(opened, number):
                stored = self._read(opened, place)
                if stored is not None:
                    return stored
        return None

    def close(self) -> None:
        """Close every file and forget every block."""
        self.segments, self._stamp = [], None
        self._sizes.clear()
        self.broken.clear()
        self._holes.clear()
        self.damaged.clear()
        self._near = None
        self._cached.clear()
        self._cost = 0
        while self._open:
            self._open.popitem()[1].db.close()
        self._passing = False

    def let_go(self) -> None:
        """Close what must not be kept open, because it was opened while it could not be written."""
        if self._passing:
            self.close()

    def _connected(self, segment: SegmentFile) -> Opened | None:
        try:
            db = connect_reader(segment.path)
        except StoreUnavailable:
            if segment.path.exists():
                raise
            return None
        try:
            db.text_factory = _text
            try:
                meta = read_meta(db, segment.path)
            except StoreDamaged:
                meta = guess_meta(db, segment.path, self._near)
            if meta is None:
                db.close()
                return None
            if meta.identity:
                self._near = meta
        except BaseException:
            db.close()
            raise
        return Opened(segment, db, meta, self._holes.setdefault(segment, []))

    def _read(self, opened: Opened, number: int) -> StoredBlock | None:
        stored = self._cached.get(number)
        if stored is not None:
            self._cached.move_to_end(number)
            return stored
        if number in self.damaged:
            return None
        columns = f"{opened.meta.others_column}, {opened.meta.which_column}"
        try:
            with failures_of(opened.segment.path):
                row = opened.db.execute(
                    f"SELECT appended_at, count, appended, body, {columns} FROM block WHERE number = ?",  # noqa: S608
                    (number,),
                ).fetchone()
            if row is None:
                return None
            stored = self._unpacked(opened, number, row)
        except StoreDamaged as error:
            if len(self.damaged) < _NAMED:
                self.damaged[number] = str(error)
            return None
        self._cached[number] = stored
        self._cost += stored.cost
        while self._cost > self._cache_bytes:
            self._cost -= self._cached.popitem(last=False)[1].cost
        return stored

    def _unpacked(self, opened: Opened, number: int, row: Sequence[Any]) -> StoredBlock:
        appended_at, count, appended, body, others, which = row
        try:
            if opened.meta.format == 1:
                records, ticks = self._codec.unpack_format_1(number, count, body), appended_at
            else:
                stamp, records = self._codec.unpack(opened.meta.owner, number, body)
                _, _, appended, appended_at, ticks = stamp
        except StoreDamaged as error:
            raise StoreDamaged(f"{opened.segment.path}: {error}") from error
        size = sum([len(record[2]) for record in records])
        block, before = Block(number, appended_at, records), appended - len(records)
        if not isinstance(others, int) or not fits(which, len(records)):
            others, which = 0, b""
        return StoredBlock(block, before, ticks, size, others - others_before(which, len(records)), which)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
