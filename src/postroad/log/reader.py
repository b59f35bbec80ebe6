"""The readers' side of the embedded log: any process, any number, while another one writes."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from xxhash import xxh3_64_intdigest

from postroad.clock import MICROSECONDS, Clock
from postroad.errors import StoreError, StoreUnavailable
from postroad.log.base import Block, Ends, LogState, Record, number_of, offset_of, position_of
from postroad.log.blocks import BlockFiles
from postroad.log.options import MIB
from postroad.log.segments import NOTHING, Head, failures_of, read_head, read_tail, search, size_of
from postroad.log.writer import Digest

_CACHE = 32 * MIB
_POLL = 0.02  # seconds between two looks at a log that has nothing new
_FIND = 4096  # blocks searched in one go: others who read wait no longer than for these

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class SqliteLogReader:
    """Reads the log in `folder`, which need not be there yet; see `postroad.log.base.LogReader`.

    Its callers share one thread for the files and one cache of blocks. Every method raises
    `StoreUnavailable` when a file can't be read now, and `StoreError` with file and block when it is damaged.
    """

    def __init__(self, folder: Path, clock: Clock, *, digest: Digest = xxh3_64_intdigest) -> None:
        self._clock = clock
        self._digest = digest
        self._files = BlockFiles(folder, _CACHE)
        self._thread = ThreadPoolExecutor(1, "log-reader")
        self._look: asyncio.Task[int] | None = None
        self._closed = False

    async def read(self, start: int, max_bytes: int) -> Sequence[Block]:
        """See `LogReader.read`."""
        return await self._run(self._read, start, max_bytes)

    async def get(self, offset: int) -> Record | None:
        """See `LogReader.get`."""
        return await self._run(self._get, offset)

    async def find(self, key: bytes) -> Record | None:
        """See `LogReader.find`. Takes about a second for 50 million records."""
        high = number_of(await self.end())
        low = number_of(await self.first())
        while high > low:
            record = await self._run(self._find, key, max(low, high - _FIND), high)
            if record is not None:
                return record
            high -= _FIND
        return None

    async def end(self) -> int:
        """See `LogReader.end`."""
        return await self._run(self._end)

    async def first(self) -> int:
        """See `LogReader.first`."""
        return await self._run(self._first)

    async def ends(self) -> Ends | None:
        """See `LogReader.ends`."""
        return None

    async def identity(self) -> tuple[str, int] | None:
        """See `LogReader.identity`."""
        return None

    async def wait(self, end: int) -> None:
        """See `LogReader.wait`. All who wait share one look at the files every 20 ms."""
        last = await self.end()
        while last <= end:
            if self._look is None or self._look.done():
                self._look = asyncio.create_task(self._look_soon())
            last = await asyncio.shield(self._look)

    async def offset_at(self, at: int) -> int:
        """See `LogReader.offset_at`."""
        return await self._run(self._offset_at, at)

    async def offset_before(self, at: int) -> int:
        """See `LogReader.offset_before`."""
        return await self._run(self._offset_at, at)

    async def offset_of_age(self, age: float) -> int:
        """See `LogReader.offset_of_age`."""
        return await self._run(self._offset_at, self._clock.now() - round(age * MICROSECONDS))

    async def appended_at(self, offset: int) -> int | None:
        """See `LogReader.appended_at`."""
        return await self._run(self._appended_at, offset)

    async def count_from(self, offset: int) -> int:
        """See `LogReader.count_from`."""
        return await self._run(self._count_from, offset)

    async def state(self) -> LogState:
        """See `LogReader.state`."""
        return await self._run(self._state)

    async def close(self) -> None:
        """See `LogReader.close`."""
        if self._closed:
            return
        self._closed = True  # first: a read that comes meanwhile would open the files again
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait([self._look])
        await asyncio.get_running_loop().run_in_executor(self._thread, self._files.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        if self._closed:
            raise StoreUnavailable("the log's reader is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))

    async def _look_soon(self) -> int:
        await self._clock.sleep(_POLL)
        return await self.end()

    def _read(self, start: int, max_bytes: int) -> list[Block]:
        self._files.refresh()
        blocks: list[Block] = []
        size = 0
        try:
            for stored in self._files.blocks(number_of(start)):
                blocks.append(stored.block)
                size += stored.size
                if size >= max_bytes:
                    break
        except StoreError:
            if not blocks:
                raise  # otherwise the next read, which begins there, tells
        return blocks

    def _get(self, offset: int) -> Record | None:
        self._files.refresh()
        stored = self._files.block(number_of(offset))
        if stored is None or position_of(offset) >= len(stored.block.records):
            return None
        return stored.block.records[position_of(offset)]

    def _find(self, key: bytes, low: int, high: int) -> Record | None:
        """Look for a key in the blocks `low <= number < high`, the newest first."""
        self._files.refresh()
        needle = self._digest(key).to_bytes(8, "little")
        for segment in reversed(self._files.holding(low, high)):
            db = self._files.database(segment)
            if db is None:
                continue
            with failures_of(segment.path):
                numbers = db.execute(
                    "SELECT number FROM block WHERE number >= ? AND number < ? AND instr(hashes, ?)"
                    " ORDER BY number DESC",
                    (low, high, needle),
                ).fetchall()
            for (number,) in numbers:
                stored = self._files.block(number)
                for record in reversed(stored.block.records) if stored else ():
                    if record.key == key:
                        return record
        return None

    def _end(self) -> int:
        self._files.refresh()
        for segment in reversed(self._files.segments):
            db = self._files.database(segment)
            if db is None:
                continue
            with failures_of(segment.path):
                (last,) = db.execute("SELECT max(number) FROM block").fetchone()
            return offset_of(segment.first if last is None else last + 1, 0)
        return 0

    def _first(self) -> int:
        self._files.refresh()
        for segment, db in self._files.databases():
            with failures_of(segment.path):
                head = read_head(db)
            if head is not None:
                return offset_of(head.number, 0)
        return self._end()

    def _offset_at(self, at: int) -> int:
        self._files.refresh()
        for segment, db in self._files.databases():
            with failures_of(segment.path):
                number = search(db, "appended_at", at)
            if number is not None:
                return offset_of(number, 0)
        return self._end()

    def _appended_at(self, offset: int) -> int | None:
        self._files.refresh()
        number = number_of(offset)
        query = "SELECT appended_at FROM block WHERE number >= ? ORDER BY number LIMIT 1"
        for segment, db in self._files.databases(number):
            with failures_of(segment.path):
                row: tuple[int] | None = db.execute(query, (number,)).fetchone()
            if row is not None:
                return row[0]
        return None

    def _count_from(self, offset: int) -> int:
        self._files.refresh()
        number = number_of(offset)
        before: int | None = None
        total = 0
        for segment, db in self._files.databases(number):
            with failures_of(segment.path):
                if before is None:
                    row = db.execute(
                        "SELECT appended - count FROM block WHERE number >= ? ORDER BY number LIMIT 1", (number,)
                    ).fetchone()
                    before = row and row[0]
                total = read_tail(db, segment).appended
        return 0 if before is None else total - before

    def _state(self) -> LogState:
        self._files.refresh()
        head: Head | None = None
        tail = NOTHING
        for segment, db in self._files.databases():
            with failures_of(segment.path):
                head = head or read_head(db)
                tail = read_tail(db, segment)
        return LogState(
            appended=tail.appended,
            duplicates=tail.duplicates,
            kept=tail.appended - head.before if head else 0,
            first_at=head and head.at,
            last_at=head and tail.last_at,
            size=sum(map(size_of, self._files.segments)),
            segments=len(self._files.segments),
        )
