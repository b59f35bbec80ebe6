"""The conformance suite of the log port: what every engine must do, as tests that its author runs.

Subclass `LogConformance` in a test module and give it a `harness` fixture; `DurableLogConformance` adds
what a crash must leave. pytest with asyncio_mode "auto" runs them:

    class TestMyLog(DurableLogConformance):
        @pytest.fixture
        def harness(self, tmp_path):
            return MyHarness(tmp_path)
"""

import asyncio

from postroad.errors import StoreLocked
from postroad.testing.logs.appending import AppendingConformance
from postroad.testing.logs.cases import WINDOW_AGE, WINDOW_IDS, LogHarness, entries, read_all
from postroad.testing.logs.losing import LosingConformance
from postroad.testing.logs.reading import ReadingConformance
from postroad.testing.logs.timing import TimingConformance

__all__ = [
    "WINDOW_AGE",
    "WINDOW_IDS",
    "DurableLogConformance",
    "LogConformance",
    "LogHarness",
    "LosingConformance",
    "TimingConformance",
    "entries",
    "read_all",
]


class LogConformance(AppendingConformance, ReadingConformance, TimingConformance, LosingConformance):
    """What `Log` and `LogReader` promise while nothing crashes."""


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

    async def test_a_restart_knows_both_windows(self, harness: LogHarness) -> None:
        """Which window a key went into is known after a crash, also where both are in one block."""
        log = await harness.open()
        first = entries(*(f"mine {turn}" for turn in range(WINDOW_IDS)))
        await asyncio.gather(log.append(first[:2]), log.append(entries("theirs"), 1), log.append(first[2:]))
        for turn in range(3):
            await log.append(entries(*(f"flood {turn} {number}" for number in range(WINDOW_IDS))), 1)
        windows = log.windows
        await harness.crash()
        log = await harness.open()
        assert log.windows == windows
        assert [window.ids for window in windows] == [WINDOW_IDS, WINDOW_IDS]
        assert len((await log.append(first)).duplicates) == WINDOW_IDS
        assert not (await log.append(entries("theirs"), 1)).duplicates
        assert len((await log.append(entries("flood 2 3", "flood 2 4"))).duplicates) == 2  # noqa: PLR2004
        await log.append(entries("new"))
        assert list((await log.append(first)).duplicates) == list(range(1, WINDOW_IDS))

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
