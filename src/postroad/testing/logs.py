"""The conformance suite of the log port: what every engine must do, as tests that its author runs.

Subclass `LogConformance` in a test module and give it a `harness` fixture; `DurableLogConformance` adds
what a crash must leave. pytest with asyncio_mode "auto" runs them:

    class TestMyLog(DurableLogConformance):
        @pytest.fixture
        def harness(self, tmp_path):
            return MyHarness(tmp_path)
"""

import asyncio
from typing import Protocol

from postroad.clock import ManualClock
from postroad.errors import StoreLocked, StoreUnavailable
from postroad.log.base import BLOCK_SPAN, Entry, Log, LogReader, Record, Window, number_of


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

    async def close(self) -> None:
        """Close what is still open."""
        ...


WINDOW_AGE = 3600.0
WINDOW_IDS = 50


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


async def _turn(reader: LogReader) -> None:
    """Let other tasks run, and the reader's thread if it has one."""
    await asyncio.sleep(0)
    await reader.end()


class LogConformance:
    """What `Log` and `LogReader` promise while nothing crashes."""

    async def test_what_was_appended_is_read_in_order(self, harness: LogHarness) -> None:
        """Entries come back whole, in commit order, at the offsets of their receipts."""
        log, reader = await harness.open(), await harness.reader()
        sent = [entries("a", "b"), entries("c"), entries("d", "e", "f")]
        offsets = [offset for batch in sent for offset in (await log.append(batch)).offsets]
        records = await read_all(reader)
        assert [(record.key, record.value) for record in records] == [entry for batch in sent for entry in batch]
        assert [record.offset for record in records] == offsets == sorted(set(offsets))

    async def test_an_empty_append_stores_nothing(self, harness: LogHarness) -> None:
        """An append of no entries succeeds and leaves the log as it is."""
        log, reader = await harness.open(), await harness.reader()
        receipt = await log.append([])
        assert not receipt.offsets
        assert not receipt.duplicates
        assert await reader.end() == await reader.first()

    async def test_many_appends_at_once(self, harness: LogHarness) -> None:
        """Appends that share a block get the receipts of their own entries."""
        log, reader = await harness.open(), await harness.reader()
        sent = [entries(f"{turn}-a", f"{turn}-b")[: 1 + turn % 2] for turn in range(20)]
        receipts = await asyncio.gather(*[log.append(batch) for batch in sent])
        stored = {record.offset: Entry(record.key, record.value) for record in await read_all(reader)}
        assert [[stored[offset] for offset in receipt.offsets] for receipt in receipts] == sent

    async def test_a_repeated_key_is_not_stored_again(self, harness: LogHarness) -> None:
        """A duplicate is answered with the record it repeats, whatever its value is."""
        log, reader = await harness.open(), await harness.reader()
        first = await log.append(entries("a", "b"))
        again = await log.append([Entry(b"c", b"new"), Entry(b"b", b"another value")])
        assert again.duplicates == {1: Record(first.offsets[1], b"b", b"the value of b")}
        assert again.offsets[1] == first.offsets[1]
        assert [record.key for record in await read_all(reader)] == [b"a", b"b", b"c"]

    async def test_a_key_repeated_in_one_append_is_stored_once(self, harness: LogHarness) -> None:
        """Two entries with one key in one append, or in appends of one block, are one event."""
        log, reader = await harness.open(), await harness.reader()
        one, two = await asyncio.gather(log.append(entries("a", "a")), log.append(entries("b", "a")))
        assert list(one.duplicates) == [1]
        assert list(two.duplicates) == [1]
        assert {one.offsets[0]} == {*one.offsets, two.offsets[1]}
        assert [record.key for record in await read_all(reader)] == [b"a", b"b"]

    async def test_the_window_ends_by_age(self, harness: LogHarness) -> None:
        """A key is recognised for the window's age and stored again after it."""
        log, reader = await harness.open(), await harness.reader()
        await log.append(entries("a"))
        harness.clock.advance(WINDOW_AGE)
        assert (await log.append(entries("a"))).duplicates
        harness.clock.advance(0.001)
        later = await log.append(entries("a"))
        assert not later.duplicates
        assert list((await log.append(entries("a"))).offsets) == list(later.offsets)
        assert [record.key for record in await read_all(reader)] == [b"a", b"a"]

    async def test_the_window_ends_by_count(self, harness: LogHarness) -> None:
        """The newest `WINDOW_IDS` keys are recognised and no others."""
        log = await harness.open()
        await log.append(entries("a"))
        await log.append(entries(*map(str, range(WINDOW_IDS - 1))))
        assert (await log.append(entries("a"))).duplicates
        await log.append(entries("one more"))
        assert not (await log.append(entries("a"))).duplicates

    async def test_the_window_tells_its_extent(self, harness: LogHarness) -> None:
        """`window` is what is recognised right now: how many keys, and since when."""
        log = await harness.open()
        assert log.window == Window(0, None)
        started = harness.clock.now()
        await log.append(entries("a", "b"))
        harness.clock.advance(WINDOW_AGE / 2)
        await log.append(entries("c"))
        assert log.window == Window(3, started)
        harness.clock.advance(WINDOW_AGE / 2 + 1)
        assert log.window.ids == 1
        harness.clock.advance(WINDOW_AGE)
        assert log.window == Window(0, None)

    async def test_a_failed_append_leaves_nothing_behind(self, harness: LogHarness) -> None:
        """After a failed append its entries are new: not stored, and not known as duplicates."""
        log, reader = await harness.open(), await harness.reader()
        await log.append(entries("a"))
        harness.break_store()
        for _ in range(2):
            answers = await asyncio.gather(
                log.append(entries("b")), log.append(entries("a", "c")), return_exceptions=True
            )
            assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]
        assert not log.healthy
        assert not await log.check()
        harness.repair_store()
        assert not (await log.append(entries("b", "c"))).duplicates
        assert log.healthy
        assert [record.key for record in await read_all(reader)] == [b"a", b"b", b"c"]

    async def test_a_store_heals_without_an_append(self, harness: LogHarness) -> None:
        """`check` alone finds out that the store works again."""
        log = await harness.open()
        harness.break_store()
        assert isinstance(*await asyncio.gather(log.append(entries("a")), return_exceptions=True), StoreUnavailable)
        harness.repair_store()
        assert await log.check()
        assert log.healthy

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
        await _turn(reader)
        assert not any(task.done() for task in waiting)
        await log.append(entries("a"))
        while not all(task.done() for task in waiting):
            harness.clock.advance(1.0)
            await _turn(reader)
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

    async def test_time_never_goes_back(self, harness: LogHarness) -> None:
        """A machine's clock that is set back does not make a later block an earlier one."""
        log, reader = await harness.open(), await harness.reader()
        started = harness.clock.now()
        await log.append(entries("a"))
        harness.clock.advance(-1000.0)
        await log.append(entries("b"))
        assert [block.appended_at for block in await reader.read(0, 1 << 20)] == [started, started]

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

    async def test_too_much_for_one_block(self, harness: LogHarness) -> None:
        """An append of more than `BLOCK_SPAN` entries is a caller's bug and changes nothing."""
        log, reader = await harness.open(), await harness.reader()
        many = [Entry(turn.to_bytes(4, "big"), b"") for turn in range(BLOCK_SPAN + 1)]
        assert isinstance(*await asyncio.gather(log.append(many), return_exceptions=True), ValueError)
        receipt = await log.append(many[:-1])
        assert receipt.offsets[-1] - receipt.offsets[0] == BLOCK_SPAN - 1
        assert await reader.get(receipt.offsets[-1]) == (receipt.offsets[-1], *many[-2])

    async def test_a_closed_log_refuses(self, harness: LogHarness) -> None:
        """After `close` appends are refused; closing again is fine."""
        log = await harness.open()
        assert log.queued == 0
        await log.close()
        await log.close()
        assert isinstance(*await asyncio.gather(log.append(entries("a")), return_exceptions=True), StoreUnavailable)


class DurableLogConformance(LogConformance):
    """What is promised about the time after a restart."""

    async def test_a_crash_loses_nothing(self, harness: LogHarness) -> None:
        """After a crash every acknowledged entry is there once, known as a duplicate, and the figures go on."""
        log = await harness.open()
        for turn in range(5):
            await log.append(entries(f"{turn}a", f"{turn}b"))
        await log.append(entries("0a"))
        before = await read_all(await harness.reader())
        await harness.crash()
        log, reader = await harness.open(), await harness.reader()
        assert await read_all(reader) == before
        state = await reader.state()
        assert (state.appended, state.duplicates, state.kept) == (10, 1, 10)
        again = await log.append(entries("4b", "new", "0a"))
        assert again.duplicates == {0: before[9], 2: before[0]}
        assert again.offsets[1] > before[-1].offset

    async def test_an_orderly_restart_loses_nothing(self, harness: LogHarness) -> None:
        """`close` writes what is queued; the next writer goes on where it ended."""
        log = await harness.open()
        appending = [asyncio.create_task(log.append(entries(f"{turn}"))) for turn in range(10)]
        await asyncio.sleep(0)
        await log.close()
        receipts = await asyncio.gather(*appending)
        log, reader = await harness.open(), await harness.reader()
        assert [record.offset for record in await read_all(reader)] == [r.offsets[0] for r in receipts]
        assert list((await log.append(entries("9"))).offsets) == list(receipts[9].offsets)

    async def test_retention_is_remembered(self, harness: LogHarness) -> None:
        """After a restart the figures still count what was retired, and offsets are not used again."""
        log, reader = await harness.open(), await harness.reader()
        for turn in range(4):
            harness.clock.advance(10.0)
            await log.append(entries(f"{turn}"))
        gone = await log.retire(await reader.end(), 5.0)
        end = await reader.end()
        await harness.crash()
        log, reader = await harness.open(), await harness.reader()
        state = await reader.state()
        assert (state.appended, state.kept) == (4, 4 - gone)
        assert (await log.append(entries("more"))).offsets[0] >= end

    async def test_one_writer(self, harness: LogHarness) -> None:
        """A second writer is refused while the first is alive."""
        await harness.open()
        assert isinstance(*await asyncio.gather(harness.open(), return_exceptions=True), StoreLocked)
