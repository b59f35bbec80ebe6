"""The readers' side of the embedded log: any process, any number, while another one writes."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from xxhash import xxh3_64_intdigest

from postroad.clock import MICROSECONDS, Clock
from postroad.errors import StoreUnavailable
from postroad.log.base import Block, Ends, LogState, Record, number_of, offset_of, position_of
from postroad.log.embedded.blocks import BlockFiles
from postroad.log.embedded.digests import Digest, seed_of
from postroad.log.embedded.options import MIB
from postroad.log.embedded.own_time import last_mark, over_a_stop
from postroad.log.embedded.stretches import Stretches, Tell, tell_nobody
from postroad.log.embedded.tables import find_hash, first_of_ticks, first_since, last_before, read_head, read_tail, rows

_CACHE = 32 * MIB
_POLL = 0.02  # seconds between two looks at a log that has nothing new
_FIND = 4096  # blocks searched in one go: others who read wait no longer than for these

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class SqliteLogReader:
    """Reads the log in `folder`, which need not be there yet; see `postroad.log.base.LogReader`.

    Its callers share one thread for the files and one cache of blocks. `tell` is told of each stretch that can't be
    read, once.
    """

    def __init__(
        self, folder: Path, clock: Clock, *, digest: Digest = xxh3_64_intdigest, tell: Tell = tell_nobody
    ) -> None:
        self._clock = clock
        self._digest = digest
        self._files = BlockFiles(folder, _CACHE)
        self._stretches = Stretches(self._files, tell)
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
        return await self._run(self._ends)

    async def identity(self) -> tuple[str, int] | None:
        """See `LogReader.identity`."""
        return await self._run(self._identity)

    async def wait(self, end: int) -> None:
        """See `LogReader.wait`. All who wait share one look at the files every 20 ms."""
        last = await self._run(self._reach)
        while last <= end:
            if self._look is None or self._look.done():
                self._look = asyncio.create_task(self._look_soon())
            last = await asyncio.shield(self._look)

    async def offset_at(self, at: int) -> int:
        """See `LogReader.offset_at`."""
        return await self._run(self._offset_at, at)

    async def offset_before(self, at: int) -> int:
        """See `LogReader.offset_before`."""
        return await self._run(self._offset_before, at)

    async def offset_of_age(self, age: float) -> int:
        """See `LogReader.offset_of_age`."""
        return await self._run(self._offset_of_age, age)

    async def age_of(self, offset: int) -> float | None:
        """See `LogReader.age_of`."""
        return await self._run(self._age_of, offset)

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

        def look() -> Answer:
            try:
                return work(*args, **kwargs)
            finally:
                self._files.let_go()

        return await asyncio.get_running_loop().run_in_executor(self._thread, look)

    async def _look_soon(self) -> int:
        await self._clock.sleep(_POLL)
        return await self._run(self._reach)

    def _read(self, start: int, max_bytes: int) -> list[Block]:
        blocks: list[Block] = []
        size = 0
        for stored in self._stretches.read(number_of(start)):
            blocks.append(stored.block)
            size += stored.size
            if size >= max_bytes:
                break
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
        for opened in self._files.opened_backwards(high):
            if opened.segment not in self._files.holding(low, high):
                break
            needle = self._digest(key, seed_of(opened.meta.secret)).to_bytes(8, "little")
            for number in reversed(find_hash(opened, low, high, needle)):
                stored = self._files.block(number)
                for record in reversed(stored.block.records) if stored else ():
                    if record.key == key:
                        return record
        return None

    def _reach(self) -> int:
        return offset_of(self._stretches.reach(), 0)

    def _end(self) -> int:
        ends = self._files.ends()
        self._files.refresh()
        return offset_of(self._stretches.end(ends).following, 0)

    def _first(self) -> int:
        end = number_of(self._end())
        return offset_of(self._stretches.first(end), 0)

    def _ends(self) -> Ends | None:
        self._files.refresh()
        return self._files.ends()

    def _identity(self) -> tuple[str, int] | None:
        self._files.refresh()
        newest = self._files.newest()
        return (newest.meta.identity, newest.meta.epoch) if newest is not None and newest.meta.identity else None

    def _offset_at(self, at: int) -> int:
        self._files.refresh()
        for opened in self._files.opened():
            number = first_since(opened, at)
            if number is not None:
                return offset_of(number, 0)
        return self._end()

    def _offset_before(self, at: int) -> int:
        self._files.refresh()
        for opened in self._files.opened_backwards():
            number = last_before(opened, at)
            if number is not None:
                return offset_of(number + 1, 0)
        return self._first()

    def _offset_of_age(self, age: float) -> int:
        ends = self._files.ends()
        self._files.refresh()
        newest = self._files.newest()
        if newest is None:
            return self._end()
        # As it was last written down: nobody but the writer can tell a time that passed from a clock that was set.
        oldest = last_mark(read_tail(newest), ends)[0] - round(age * MICROSECONDS)
        for opened in self._files.opened():
            number = first_of_ticks(opened, oldest)
            if number is not None:
                return offset_of(number, 0)
        return self._end()

    def _age_of(self, offset: int) -> float | None:
        ends = self._files.ends()
        self._files.refresh()
        newest, number = self._files.newest(), number_of(offset)
        for opened in self._files.opened(number) if newest is not None else ():
            row = next(rows(opened, opened.meta.ticks_column, number, at_once=1), None)
            if row is not None and newest is not None:
                now = over_a_stop(*last_mark(read_tail(newest), ends), self._clock.now())
                return max(0, now - int(row[1])) / MICROSECONDS
        return None

    def _appended_at(self, offset: int) -> int | None:
        self._files.refresh()
        number = number_of(offset)
        for opened in self._files.opened(number):
            row = next(rows(opened, "appended_at", number, at_once=1), None)
            if row is not None:
                return int(row[1])
        return None

    def _count_from(self, offset: int) -> int:
        ends = self._files.ends()
        self._files.refresh()
        end, number = self._stretches.end(ends), number_of(offset)
        return 0 if number >= end.following else max(0, end.appended - self._stretches.appended_before(number))

    def _state(self) -> LogState:
        ends = self._files.ends()
        self._files.refresh()
        end = self._stretches.end(ends)
        heads = (read_head(opened) for opened in self._files.opened())
        head = next((head for head in heads if head is not None), None)
        return LogState(
            appended=end.appended,
            duplicates=end.duplicates,
            kept=max(0, end.appended - self._stretches.begin().appended),
            first_at=head and head.at,
            last_at=end.last_at if head else None,
            size=self._files.size(),
            segments=len(self._files.segments),
        )
