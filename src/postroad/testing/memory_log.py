"""A log in memory, for tests: writer and reader in one, nothing survives."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from postroad.clock import MICROSECONDS, Clock
from postroad.errors import StoreUnavailable
from postroad.log.base import (
    BLOCK_SPAN,
    MARGIN,
    WINDOWS,
    Block,
    Ends,
    Entry,
    LogState,
    Receipt,
    Record,
    Window,
    number_of,
    offset_of,
    position_of,
)
from postroad.log.embedded.options import LogOptions

_DEFAULTS = LogOptions()


class _Stored(NamedTuple):
    """A block with the log's own time of its append, how many records its window had got before it, and which one that
    is.
    """

    block: Block
    ticks: int
    before: int
    window: int = 0
    readable: bool = True


class MemoryLog:
    """Implements `Log` and `LogReader`; an append with anything new is a block and a segment of its own.

    Set `broken` to a sentence and appends fail with it until it is None again. `damage` makes a block one that
    can't be read, `cut` loses the end.
    """

    def __init__(self, clock: Clock, options: LogOptions = _DEFAULTS, *, identity: str = "6d" * 16) -> None:
        self.broken: str | None = None
        self._clock = clock
        self._options = options
        self._identity = identity
        self._epoch = 1
        self._stored: list[_Stored] = []
        self._number = 0
        self._retired = Ends(identity, 1, 0, 0, 0, 0, 0, 0, 0)
        self._appended = 0
        self._given = [0] * WINDOWS
        self._duplicates = 0
        self._grown = asyncio.Event()
        self._began = (clock.now(), clock.monotonic())
        self._ends = self._measured()

    def damage(self, number: int) -> None:
        """Make the block of this number unreadable."""
        self._stored = [
            stored._replace(readable=stored.readable and stored.block.number != number) for stored in self._stored
        ]

    def cut(self, number: int) -> None:
        """Lose the blocks from `number` on and open again: the log goes on above them, in another epoch."""
        for stored in self._stored:
            if stored.block.number >= number:
                self.damage(stored.block.number)
        self._number += MARGIN
        self._epoch += 1
        self._ends = self._measured()

    async def append(self, entries: Sequence[Entry], window: int = 0) -> Receipt:
        """See `Log.append`."""
        if self.broken is not None:
            raise StoreUnavailable(self.broken)
        if len(entries) > BLOCK_SPAN:
            raise ValueError(f"an append has at most {BLOCK_SPAN} entries, not {len(entries)}")
        known = {record.key: record for number in range(WINDOWS) for record, _ in self._window(number)}
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
            block = Block(self._number, self._clock.now(), fresh)
            self._stored.append(_Stored(block, self._ticks(), self._given[window], window))
            self._given[window] += len(fresh)
            self._number += 1
            self._appended += len(fresh)
            self._grown.set()
            self._grown = asyncio.Event()
        return Receipt(offsets, repeated)

    async def check(self) -> bool:
        """See `Log.check`."""
        return self.healthy

    async def record_end(self) -> None:
        """See `Log.record_end`."""
        self._ends = self._measured()

    async def retire(self, before: int, age: float) -> int:
        """See `Log.retire`."""
        oldest = self._ticks() - round(age * MICROSECONDS)
        gone = 0
        while len(self._stored) > 1:
            stored = self._stored[0]
            if stored.block.records[-1].offset >= before or stored.ticks >= oldest:
                break
            gone += len(self._stored.pop(0).block.records)
        self._retired = self._retired._replace(first=self._first(), retired=self._retired.retired + gone)
        self._ends = self._measured()
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
    def windows(self) -> Sequence[Window]:
        """See `Log.windows`."""
        inside = [self._window(number) for number in range(WINDOWS)]
        return [Window(len(one), one[0][1].block.appended_at if one else None) for one in inside]

    @property
    def healthy(self) -> bool:
        """See `Log.healthy`."""
        return self.broken is None

    async def close(self) -> None:
        """Refuse later appends; reading goes on."""
        self._ends = self._measured()
        self.broken = "the log is closed"

    async def read(self, start: int, max_bytes: int) -> Sequence[Block]:
        """See `LogReader.read`."""
        blocks: list[Block] = []
        size = 0
        for block in self._readable():
            if block.end > start and (not blocks or size < max_bytes):
                blocks.append(block)
                size += sum(len(record.value) for record in block.records)
        return blocks

    async def get(self, offset: int) -> Record | None:
        """See `LogReader.get`."""
        for block in self._readable():
            if block.number == number_of(offset) and position_of(offset) < len(block.records):
                return block.records[position_of(offset)]
        return None

    async def find(self, key: bytes) -> Record | None:
        """See `LogReader.find`."""
        records = [record for block in self._readable() for record in block.records if record.key == key]
        return records[-1] if records else None

    async def end(self) -> int:
        """See `LogReader.end`."""
        return offset_of(self._number, 0)

    async def first(self) -> int:
        """See `LogReader.first`."""
        return offset_of(self._first(), 0)

    async def ends(self) -> Ends | None:
        """See `LogReader.ends`."""
        return self._ends

    async def identity(self) -> tuple[str, int] | None:
        """See `LogReader.identity`."""
        return self._identity, self._epoch

    async def wait(self, end: int) -> None:
        """See `LogReader.wait`."""
        while not any(block.end > end for block in self._readable()):
            await self._grown.wait()

    async def offset_at(self, at: int) -> int:
        """See `LogReader.offset_at`."""
        return self._start(stored for stored in self._stored if stored.readable and stored.block.appended_at >= at)

    async def offset_before(self, at: int) -> int:
        """See `LogReader.offset_before`."""
        ends = [stored.block.end for stored in self._stored if stored.readable and stored.block.appended_at < at]
        return ends[-1] if ends else await self.first()

    async def offset_of_age(self, age: float) -> int:
        """See `LogReader.offset_of_age`."""
        oldest = self._ticks() - round(age * MICROSECONDS)
        return self._start(stored for stored in self._stored if stored.readable and stored.ticks >= oldest)

    async def age_of(self, offset: int) -> float | None:
        """See `LogReader.age_of`."""
        found = [stored.ticks for stored in self._stored if stored.readable and stored.block.end > offset]
        return (self._ticks() - found[0]) / MICROSECONDS if found else None

    async def appended_at(self, offset: int) -> int | None:
        """See `LogReader.appended_at`."""
        times = [block.appended_at for block in self._readable() if block.end > offset and not block.lost]
        return times[0] if times else None

    async def count_from(self, offset: int) -> int:
        """See `LogReader.count_from`."""
        return sum(len(stored.block.records) for stored in self._stored if stored.block.end > offset)

    async def state(self) -> LogState:
        """See `LogReader.state`."""
        kept = [record for stored in self._stored for record in stored.block.records]
        times = [stored.block.appended_at for stored in self._stored]
        first_at, last_at = (times[0], times[-1]) if times else (None, None)
        size = sum(len(record.key) + len(record.value) for record in kept)
        return LogState(
            appended=self._appended,
            duplicates=self._duplicates,
            kept=len(kept),
            first_at=first_at,
            last_at=last_at,
            size=size,
            segments=len(self._stored),
        )

    def _readable(self) -> list[Block]:
        """Return the blocks with each stretch of damaged ones as one lost block."""
        blocks: list[Block] = []
        for stored in self._stored:
            block, count = stored.block, len(stored.block.records)
            if stored.readable:
                if blocks and blocks[-1].lost:
                    blocks[-1] = blocks[-1]._replace(until=block.number, appended_at=block.appended_at)
                blocks.append(block)
            elif blocks and blocks[-1].lost:
                blocks[-1] = blocks[-1]._replace(lost=blocks[-1].lost + count)
            else:
                blocks.append(Block(block.number, 0, (), lost=count, until=self._number))
        return blocks

    def _measured(self) -> Ends:
        return self._retired._replace(
            epoch=self._epoch,
            following=self._number,
            appended=self._appended,
            duplicates=self._duplicates,
            ticks=self._ticks(),
            at=self._clock.now(),
        )

    def _first(self) -> int:
        return self._stored[0].block.number if self._stored else self._number

    def _start(self, wanted: Iterable[_Stored]) -> int:
        return offset_of(next((stored.block.number for stored in wanted), self._number), 0)

    def _ticks(self) -> int:
        at, steady = self._began
        return at + round((self._clock.monotonic() - steady) * MICROSECONDS)

    def _window(self, number: int) -> list[tuple[Record, _Stored]]:
        oldest = self._ticks() - round(self._options.window_age * MICROSECONDS)
        return [
            (record, stored)
            for stored in self._stored
            if stored.readable and stored.ticks >= oldest and stored.window == number
            for record in stored.block.records
            if stored.before + position_of(record.offset) >= self._given[number] - self._options.window_ids
        ]
