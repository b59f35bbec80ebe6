"""What the tests of logs are made of: a harness, entries, and what is read back."""

import asyncio
from typing import Protocol

from postroad.clock import ManualClock
from postroad.log.base import Entry, Log, LogReader, Record

WINDOW_AGE = 3600.0
WINDOW_IDS = 50


class LogHarness(Protocol):
    """Makes the logs under test: one store, with a window of `WINDOW_AGE` seconds or `WINDOW_IDS` keys and
    no disk floor, and each block in a segment of its own if the engine has segments.
    """

    clock: ManualClock

    async def open(self) -> Log:
        """Open the store's writer; again after `close` or `crash`."""
        ...

    async def reader(self) -> LogReader:
        """Open a reader of the store."""
        ...

    async def crash(self) -> None:
        """Leave the store as a kill -9 of its writer at this moment would."""
        ...

    def break_store(self) -> None:
        """Make every write fail until `repair_store`."""
        ...

    def repair_store(self) -> None:
        """Let writes succeed again."""
        ...

    async def damage(self, number: int) -> None:
        """Make a block one that can't be read, for those who have not read it yet."""
        ...

    async def forget(self) -> None:
        """Close what is open, as an orderly stop does; `open` and `reader` go on with what is stored."""
        ...

    async def close(self) -> None:
        """Close what is still open."""
        ...


def entries(*names: str) -> list[Entry]:
    """Return an entry for each name, with the name as its key."""
    return [Entry(name.encode(), f"the value of {name}".encode()) for name in names]


async def read_all(reader: LogReader) -> list[Record]:
    """Return every record that is kept."""
    records: list[Record] = []
    start = await reader.first()
    while blocks := await reader.read(start, 1 << 20):
        records.extend(record for block in blocks for record in block.records)
        start = blocks[-1].end
    return records


async def give_way(reader: LogReader) -> None:
    """Let other tasks run, and the reader's thread if it has one."""
    await asyncio.sleep(0)
    await reader.end()
