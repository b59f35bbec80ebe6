"""Reads blocks from the files of a log; shared by the readers and by the writer's look at what it repeats."""

import sqlite3
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from postroad.errors import StoreError, StoreUnavailable
from postroad.files import check_format, connect_reader, is_writable
from postroad.log.base import Block
from postroad.log.codec import BlockCodec
from postroad.log.segments import FORMAT, KIND, Segment, failures_of, list_segments

_OPEN_FILES = 8
_RECORD_COST = 250  # bytes of a record's key and of the Python objects around it
_AT_ONCE = 64


class StoredBlock(NamedTuple):
    """A block as it is stored; `before` is how many records the log had got when it came, `size` the bytes
    of its values.
    """

    block: Block
    before: int
    size: int

    @property
    def cost(self) -> int:
        """About the bytes of memory it takes."""
        return self.size + len(self.block.records) * _RECORD_COST


class BlockFiles:
    """The segments of one folder, opened when needed, and the blocks that were read last.

    For one thread at a time. `refresh` looks at the folder; nothing else does. A segment that vanishes
    is as if it had never been. Every method raises `StoreUnavailable` when a file can't be read now and
    `StoreError` when it is damaged.
    """

    def __init__(self, folder: Path, cache_bytes: int) -> None:
        self.folder = folder
        self.segments: list[Segment] = []
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[int, StoredBlock] = OrderedDict()
        self._cost = 0
        self._open: OrderedDict[Segment, sqlite3.Connection] = OrderedDict()
        self._codec = BlockCodec()
        self._passing = False

    def refresh(self) -> None:
        """Take note of segments that came and went."""
        segments = list_segments(self.folder)
        if segments == self.segments:
            return
        for gone in self._open.keys() - set(segments):
            self._open.pop(gone).close()
        if segments[:1] != self.segments[:1]:
            self._cached.clear()
            self._cost = 0
        self.segments = segments

    def database(self, segment: Segment) -> sqlite3.Connection | None:
        """Return a connection to a segment; None when it is gone or not made yet."""
        db = self._open.get(segment)
        if db is not None:
            self._open.move_to_end(segment)
            return db
        try:
            db = connect_reader(segment.path)
        except StoreUnavailable:
            if segment.path.exists():
                raise
            return None
        try:
            with failures_of(segment.path):
                made = check_format(db, segment.path, KIND, FORMAT)
        except StoreError:
            db.close()
            raise
        if not made:
            db.close()
            return None
        self._passing = self._passing or not is_writable(segment.path)
        self._open[segment] = db
        if len(self._open) > _OPEN_FILES:
            self._open.popitem(last=False)[1].close()
        return db

    def holding(self, start: int, end: int | None = None) -> list[Segment]:
        """Return the segments that may hold blocks `start <= number < end`, oldest first."""
        first = bisect_right(self.segments, start, key=lambda segment: segment.first) - 1
        last = None if end is None else bisect_left(self.segments, end, key=lambda segment: segment.first)
        return self.segments[max(0, first) : last]

    def databases(self, start: int = 0) -> Iterator[tuple[Segment, sqlite3.Connection]]:
        """Yield the segments that may hold block `start` or a later one, oldest first. A connection is good
        until the next one is asked for.
        """
        for segment in self.holding(start):
            db = self.database(segment)
            if db is not None:
                yield segment, db

    def blocks(self, start: int) -> Iterator[StoredBlock]:
        """Yield the blocks from number `start` on."""
        for segment, db in self.databases(start):
            while True:
                with failures_of(segment.path):
                    numbers = db.execute(
                        "SELECT number FROM block WHERE number >= ? ORDER BY number LIMIT ?", (start, _AT_ONCE)
                    ).fetchall()
                for (number,) in numbers:
                    stored = self._read(segment, db, number)
                    if stored is not None:
                        yield stored
                    start = number + 1
                if len(numbers) < _AT_ONCE:
                    break

    def block(self, number: int) -> StoredBlock | None:
        """Return one block, None when it isn't there."""
        for segment, db in self.databases(number):
            return self._read(segment, db, number)
        return None

    def close(self) -> None:
        """Close every file and forget every block."""
        self.segments = []
        self._cached.clear()
        self._cost = 0
        while self._open:
            self._open.popitem()[1].close()
        self._passing = False

    def let_go(self) -> None:
        """Close what must not be kept open, because it was opened while it could not be written."""
        if self._passing:
            self.close()

    def _read(self, segment: Segment, db: sqlite3.Connection, number: int) -> StoredBlock | None:
        stored = self._cached.get(number)
        if stored is not None:
            self._cached.move_to_end(number)
            return stored
        with failures_of(segment.path):
            row = db.execute(
                "SELECT appended_at, count, appended, body FROM block WHERE number = ?", (number,)
            ).fetchone()
        if row is None:
            return None
        appended_at, count, appended, body = row
        try:
            records = self._codec.unpack(number, count, body)
        except StoreError as error:
            raise StoreError(f"{segment.path}: {error}") from error
        size = sum([len(record[2]) for record in records])
        stored = StoredBlock(Block(number, appended_at, records), appended - count, size)
        self._cached[number] = stored
        self._cost += stored.cost
        while self._cost > self._cache_bytes:
            self._cost -= self._cached.popitem(last=False)[1].cost
        return stored
