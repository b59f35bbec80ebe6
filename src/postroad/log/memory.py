"""A log in memory, for tests: writer and reader in one, nothing survives."""

import asyncio
from collections.abc import Sequence

from postroad.clock import MICROSECONDS, Clock
from postroad.errors import StoreUnavailable
from postroad.log.base import (
    BLOCK_SPAN,
    Block,
    Entry,
    LogState,
    Receipt,
    Record,
    Window,
    number_of,
    offset_of,
    position_of,
)
from postroad.log.options import LogOptions

_DEFAULTS = LogOptions()


class MemoryLog:
    """Implements `Log` and `LogReader`; an append with anything new is a block and a segment of its own.

    Set `broken` to a sentence and appends fail with it until it is None again.
    """

    def __init__(self, clock: Clock, options: LogOptions = _DEFAULTS) -> None:
        self.broken: str | None = None
        self._clock = clock
        self._options = options
        self._blocks: list[Block] = []
        self._number = 0
        self._appended = 0
        self._duplicates = 0
        self._grown = asyncio.Event()

    async def append(self, entries: Sequence[Entry]) -> Receipt:
        """See `Log.append`."""
        if self.broken is not None:
            raise StoreUnavailable(self.broken)
        if len(entries) > BLOCK_SPAN:
            raise ValueError(f"an append has at most {BLOCK_SPAN} entries, not {len(entries)}")
        known = {record.key: record for record in self._window()}
        fresh: list[Record] = []
        repeated: dict[int, Record] = {}
        offsets: list[int] = []
        for index, (key, value) in enumerate(entries):
            record = known.get(key)
            if record is not None:
                repeated[index] = record
            else:
                record = known[key] = Record(offset_of(self._number, len(fresh)), key, value)
                fresh.append(record)
            offsets.append(record.offset)
        self._duplicates += len(repeated)
        if fresh:
            last_at = self._blocks[-1].appended_at if self._blocks else 0
            self._blocks.append(Block(self._number, max(self._clock.now(), last_at), fresh))
            self._number += 1
            self._appended += len(fresh)
            self._grown.set()
            self._grown = asyncio.Event()
        return Receipt(offsets, repeated)

    async def check(self) -> bool:
        """See `Log.check`."""
        return self.healthy

    async def retire(self, before: int, age: float) -> int:
        """See `Log.retire`."""
        oldest = self._clock.now() - round(age * MICROSECONDS)
        gone = 0
        while len(self._blocks) > 1:
            block = self._blocks[0]
            if block.records[-1].offset >= before or block.appended_at >= oldest:
                break
            gone += len(self._blocks.pop(0).records)
        return gone

    @property
    def queued(self) -> int:
        """Nothing ever waits."""
        return 0

    @property
    def full(self) -> bool:
        """Nothing ever waits."""
        return False

    @property
    def window(self) -> Window:
        """See `Log.window`."""
        inside = self._window()
        return Window(len(inside), self._block_of(inside[0].offset).appended_at if inside else None)

    @property
    def healthy(self) -> bool:
        """See `Log.healthy`."""
        return self.broken is None

    async def close(self) -> None:
        """Refuse later appends; reading goes on."""
        self.broken = "the log is closed"

    async def read(self, start: int, max_bytes: int) -> Sequence[Block]:
        """See `LogReader.read`."""
        blocks: list[Block] = []
        size = 0
        for block in self._blocks:
            if block.end > start and (not blocks or size < max_bytes):
                blocks.append(block)
                size += sum(len(record.value) for record in block.records)
        return blocks

    async def get(self, offset: int) -> Record | None:
        """See `LogReader.get`."""
        for block in self._blocks:
            if block.number == number_of(offset) and position_of(offset) < len(block.records):
                return block.records[position_of(offset)]
        return None

    async def find(self, key: bytes) -> Record | None:
        """See `LogReader.find`."""
        records = [record for block in self._blocks for record in block.records if record.key == key]
        return records[-1] if records else None

    async def end(self) -> int:
        """See `LogReader.end`."""
        return offset_of(self._number, 0)

    async def first(self) -> int:
        """See `LogReader.first`."""
        return self._blocks[0].start if self._blocks else await self.end()

    async def wait(self, end: int) -> None:
        """See `LogReader.wait`."""
        while await self.end() <= end:
            await self._grown.wait()

    async def offset_at(self, at: int) -> int:
        """See `LogReader.offset_at`."""
        starts = [block.start for block in self._blocks if block.appended_at >= at]
        return starts[0] if starts else await self.end()

    async def appended_at(self, offset: int) -> int | None:
        """See `LogReader.appended_at`."""
        times = [block.appended_at for block in self._blocks if block.end > offset]
        return times[0] if times else None

    async def count_from(self, offset: int) -> int:
        """See `LogReader.count_from`."""
        return sum(len(block.records) for block in self._blocks if block.end > offset)

    async def state(self) -> LogState:
        """See `LogReader.state`."""
        kept = [record for block in self._blocks for record in block.records]
        times = [block.appended_at for block in self._blocks]
        first_at, last_at = (times[0], times[-1]) if times else (None, None)
        size = sum(len(record.key) + len(record.value) for record in kept)
        return LogState(
            appended=self._appended,
            duplicates=self._duplicates,
            kept=len(kept),
            first_at=first_at,
            last_at=last_at,
            size=size,
            segments=len(self._blocks),
        )

    def _window(self) -> list[Record]:
        oldest = self._clock.now() - round(self._options.window_age * MICROSECONDS)
        records = [record for block in self._blocks if block.appended_at >= oldest for record in block.records]
        return records[-self._options.window_ids :]

    def _block_of(self, offset: int) -> Block:
        return next(block for block in self._blocks if block.number == number_of(offset))
