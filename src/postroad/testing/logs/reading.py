"""The readers' side of a log: blocks, places, waiting, and what retention leaves."""

import asyncio

from postroad.log.base import number_of
from postroad.testing.logs.cases import WINDOW_AGE, LogHarness, entries, give_way, read_all


class ReadingConformance:
    """What `LogReader` promises while nothing crashes."""

    async def test_reads_are_whole_blocks(self, harness: LogHarness) -> None:
        """A read begins with the block that holds its start and ends with the one that reaches its size."""
        log, reader = await harness.open(), await harness.reader()
        receipts = [await log.append(entries(f"{turn}a", f"{turn}b")) for turn in range(4)]
        numbers = [number_of(receipt.offsets[0]) for receipt in receipts]
        size = len(b"the value of 0a")
        second = receipts[1].offsets[1]
        assert [block.number for block in await reader.read(second, 1)] == numbers[1:2]
        assert [block.number for block in await reader.read(second, 2 * size)] == numbers[1:2]
        assert [block.number for block in await reader.read(second, 2 * size + 1)] == numbers[1:3]
        assert [block.number for block in await reader.read(0, 1 << 20)] == numbers
        assert not await reader.read(await reader.end(), 1)
        for block in await reader.read(0, 1 << 20):
            assert [record.offset - block.start for record in block.records] == [0, 1]

    async def test_single_records(self, harness: LogHarness) -> None:
        """`get` finds a record by its offset, `find` the newest by its key; both say None for what isn't there."""
        log, reader = await harness.open(), await harness.reader()
        (first, _) = (await log.append(entries("a", "b"))).offsets
        harness.clock.advance(WINDOW_AGE + 1)
        (again,) = (await log.append(entries("a"))).offsets
        assert await reader.get(first) == (first, b"a", b"the value of a")
        assert await reader.find(b"a") == (again, b"a", b"the value of a")
        assert await reader.find(b"c") is None
        assert await reader.get(first + 2) is None
        assert await reader.get(await reader.end()) is None

    async def test_waiting_for_more(self, harness: LogHarness) -> None:
        """`wait` returns at once when there is more already, and otherwise after the next append."""
        log, reader = await harness.open(), await harness.reader()
        waiting = [asyncio.create_task(reader.wait(await reader.end())) for _ in range(3)]
        await give_way(reader)
        assert not any(task.done() for task in waiting)
        await log.append(entries("a"))
        while not all(task.done() for task in waiting):
            harness.clock.advance(1.0)
            await give_way(reader)
        await asyncio.gather(*waiting)
        await reader.wait(await reader.end() - 1)

    async def test_duplicates_are_nothing_to_wait_for(self, harness: LogHarness) -> None:
        """An append of nothing but duplicates leaves the end where it was."""
        log, reader = await harness.open(), await harness.reader()
        await log.append(entries("a"))
        end = await reader.end()
        await log.append(entries("a"))
        assert await reader.end() == end

    async def test_places_by_time(self, harness: LogHarness) -> None:
        """`offset_at` and `appended_at` translate between times and offsets."""
        log, reader = await harness.open(), await harness.reader()
        assert await reader.offset_at(0) == await reader.end()
        assert await reader.appended_at(0) is None
        times, starts = [], []
        for turn in range(5):
            harness.clock.advance(10.0)
            times.append(harness.clock.now())
            starts.append((await log.append(entries(f"{turn}a", f"{turn}b"))).offsets[0])
        end = await reader.end()
        assert [await reader.offset_at(at) for at in times] == starts
        assert [await reader.offset_at(at + 1) for at in times] == [*starts[1:], end]
        assert [await reader.appended_at(start + 1) for start in starts] == times
        assert await reader.appended_at(end) is None

    async def test_retention(self, harness: LogHarness) -> None:
        """Retiring keeps what is at or beyond the offset, what is young, and the newest; the rest may go."""
        log, reader = await harness.open(), await harness.reader()
        starts = []
        for turn in range(6):
            harness.clock.advance(10.0)
            starts.append((await log.append(entries(f"{turn}a", f"{turn}b"))).offsets[0])
        before = await read_all(reader)
        gone = await log.retire(starts[2] + 1, 0.0)
        kept = await read_all(reader)
        assert kept == before[gone:]
        assert kept[0].offset <= starts[2]
        gone += await log.retire(await reader.end(), 15.0)
        kept = await read_all(reader)
        assert kept == before[gone:]
        assert kept[0].offset <= starts[4]
        harness.clock.advance(1.0)
        gone += await log.retire(await reader.end(), 0.0)
        assert await read_all(reader) == before[gone:]
        assert (await reader.state()).kept == len(before) - gone > 0
        assert await reader.get(starts[0]) is None or not gone

    async def test_the_figures(self, harness: LogHarness) -> None:
        """`state` counts what was ever appended and repeated, and what is kept."""
        log, reader = await harness.open(), await harness.reader()
        empty = await reader.state()
        assert (empty.appended, empty.duplicates, empty.kept, empty.first_at, empty.last_at) == (0, 0, 0, None, None)
        began = harness.clock.now()
        await log.append(entries("a", "b", "a"))
        harness.clock.advance(1.0)
        await log.append(entries("c", "b"))
        await log.append(entries("c"))
        state = await reader.state()
        assert (state.appended, state.duplicates, state.kept) == (3, 3, 3)
        assert (state.first_at, state.last_at) == (began, harness.clock.now())
        assert state.size > 0
