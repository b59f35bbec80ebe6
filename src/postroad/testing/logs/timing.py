"""Clocks that step, the log's own time, and what is written down about its ends."""

from postroad.clock import MICROSECONDS
from postroad.log.base import BLOCK_SPAN, number_of
from postroad.testing.logs.cases import WINDOW_AGE, LogHarness, entries, read_all

_YEAR = 365 * 86_400.0


class TimingConformance:
    """What `Log` and `LogReader` promise about time, and about where the log begins and ends."""

    async def test_places_by_a_clock_that_steps(self, harness: LogHarness) -> None:
        """Whatever was appended in a time lies between the offsets of its ends, however the clock was set."""
        log, reader = await harness.open(), await harness.reader()
        stored = []
        for turn, step in enumerate((0.0, 50.0, -70.0, 0.0, _YEAR, -_YEAR, 0.0)):
            harness.clock.advance(10.0)
            harness.clock.step(step)
            (offset,) = (await log.append(entries(f"{turn}"))).offsets
            stored.append((harness.clock.now(), offset))
        assert [block.appended_at for block in await reader.read(0, 1 << 20)] == [at for at, _ in stored]
        for edge in [at + shift for at, _ in stored for shift in (-1, 0, 1)]:
            since = [offset for at, offset in stored if at >= edge]
            before = [offset for at, offset in stored if at < edge]
            assert await reader.offset_at(edge) == (since[0] if since else await reader.end())
            assert await reader.offset_before(edge) == (before[-1] + BLOCK_SPAN if before else await reader.first())

    async def test_time_may_go_back(self, harness: LogHarness) -> None:
        """A machine's clock that is set back is told as it was, and does not make a later block an earlier one."""
        log, reader = await harness.open(), await harness.reader()
        started = harness.clock.now()
        await log.append(entries("a"))
        harness.clock.step(-1000.0)
        await log.append(entries("b"))
        blocks = await reader.read(0, 1 << 20)
        assert [block.appended_at for block in blocks] == [started, started - 1000 * MICROSECONDS]
        assert [record.key for block in blocks for record in block.records] == [b"a", b"b"]

    async def test_a_clock_that_steps_retires_nothing(self, harness: LogHarness) -> None:
        """A clock set forward by a year and back removes nothing, forgets no key, and makes nothing old."""
        log, reader = await harness.open(), await harness.reader()
        turns, steps = 4, (_YEAR, -_YEAR, -_YEAR, _YEAR)
        for turn in range(turns):
            await log.append(entries(f"{turn}"))
        for step in steps:
            harness.clock.step(step)
            assert await log.retire(await reader.end(), WINDOW_AGE) == 0
            assert await reader.offset_of_age(WINDOW_AGE) == await reader.first()
            assert (await log.append(entries("0", "3"))).duplicates.keys() == {0, 1}
            await log.append(entries(f"after {step} {harness.clock.now()}"))
        assert log.windows[0].ids == len(await read_all(reader)) == turns + len(steps)

    async def test_places_by_age(self, harness: LogHarness) -> None:
        """`offset_of_age` is the first block that is younger, by the time that has really gone by."""
        log, reader = await harness.open(), await harness.reader()
        assert await reader.offset_of_age(0.0) == await reader.end()
        starts = []
        for turn in range(5):
            harness.clock.advance(10.0)
            starts.append((await log.append(entries(f"{turn}"))).offsets[0])
        harness.clock.step(-_YEAR)
        end = await reader.end()
        assert [await reader.offset_of_age(age) for age in (45.0, 35.0, 25.0, 15.0, 5.0)] == starts
        harness.clock.advance(WINDOW_AGE)
        await log.record_end()
        ages = [WINDOW_AGE + age for age in (45.0, 35.0, 25.0, 15.0, 5.0, -5.0)]
        assert [await reader.offset_of_age(age) for age in ages] == [*starts, end]

    async def test_the_age_of_a_place(self, harness: LogHarness) -> None:
        """`age_of` tells how long ago the block of an offset was appended, also over a clock that was set."""
        log, reader = await harness.open(), await harness.reader()
        assert await reader.age_of(0) is None
        first, second = [(await log.append(entries(name))).offsets[0] for name in "ab"]
        harness.clock.advance(WINDOW_AGE)
        assert [await reader.age_of(place) for place in (first, second)] == [WINDOW_AGE, WINDOW_AGE]
        harness.clock.step(_YEAR)
        await log.record_end()
        assert await reader.age_of(first) == WINDOW_AGE
        harness.clock.step(-2 * _YEAR)
        assert await reader.age_of(second) == WINDOW_AGE
        assert await reader.age_of(await reader.end()) is None

    async def test_the_ends_are_written_down(self, harness: LogHarness) -> None:
        """`record_end` writes down where the log begins and ends, and so does retention."""
        log, reader = await harness.open(), await harness.reader()
        for turn in range(4):
            await log.append(entries(f"{turn}a", f"{turn}b", "0a"))
        await log.record_end()
        ends, end = await reader.ends(), await reader.end()
        assert ends is not None
        assert (ends.first, ends.retired, ends.appended, ends.duplicates) == (0, 0, 8, 4)
        assert (ends.following, ends.at) == (number_of(end), harness.clock.now())
        harness.clock.advance(10.0)
        gone = await log.retire(end, 5.0)
        ends = await reader.ends()
        assert ends is not None
        assert (ends.first, ends.retired) == (number_of(await reader.first()), gone)
        assert ends.appended - ends.retired == await reader.count_from(0)

    async def test_a_log_has_a_name(self, harness: LogHarness) -> None:
        """What is in the log and what is written down about it carry one identity, and epoch 1 to begin with."""
        log, reader = await harness.open(), await harness.reader()
        await log.append(entries("a"))
        named, ends = await reader.identity(), await reader.ends()
        assert named is not None
        assert ends is not None
        assert named == (ends.identity, 1)
        assert bytes.fromhex(ends.identity)
