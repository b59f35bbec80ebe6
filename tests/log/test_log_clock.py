"""The machine's clock is set, while the log runs and while it doesn't: nothing is removed and nothing forgotten."""

import pytest

from postroad.clock import MICROSECONDS
from postroad.log.base import Window
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.segments import list_segments
from postroad.testing.logs import entries, read_all

DAY = 86_400.0
YEAR = 365 * DAY
OPTIONS = LogOptions(disk_floor=0, segment_bytes=1, window_age=7 * DAY)


@pytest.mark.parametrize("step", [YEAR, -YEAR])
@pytest.mark.parametrize("asleep", [False, True])
async def test_a_clock_that_is_set(bench, step, asleep):
    """A step of a year, either way, beside a running writer or a stopped one, retires nothing within a week, keeps the
    dedup window, and events are found by the times they had.
    """
    log, reader = bench.open(OPTIONS), bench.reader()
    stored = []
    for turn in range(3):
        bench.clock.advance(DAY)
        stored.append((bench.clock.now(), (await log.append(entries(f"{turn}"))).offsets[0]))
    if asleep:
        await log.close()
    bench.clock.step(step)
    if asleep:
        log = bench.open(OPTIONS)
    stored.append((bench.clock.now(), (await log.append(entries("3"))).offsets[0]))
    assert await log.retire(await reader.end(), 5 * DAY) == 0
    assert sorted((await log.append(entries("0", "1", "2", "3"))).duplicates) == [0, 1, 2, 3]
    assert log.windows[0] == Window(4, stored[0][0])
    for at, offset in stored:
        assert await reader.offset_at(at) <= offset < await reader.offset_before(at + 1)
    assert await reader.offset_of_age(5 * DAY) == 0


async def test_a_stop_counts(bench):
    """The time over a stop counts as the wall clock tells it, but for no more than a day."""
    log = bench.open(OPTIONS)
    await log.append(entries("a"))
    for asleep, age in ((DAY / 2, DAY / 2), (YEAR, 1.5 * DAY), (-YEAR, 1.5 * DAY)):
        await log.close()
        bench.clock.step(asleep)
        log = bench.open(OPTIONS)
        assert await bench.reader().age_of(0) == age


async def test_a_crash_keeps_the_time(bench):
    """What is on disk is enough to go on: the own time of a block never lies above that of a later one."""
    log, reader = bench.open(OPTIONS), bench.reader()
    ages = []
    for turn in range(6):
        await log.append(entries(f"{turn}"))
        bench.clock.advance(10.0)
        bench.clock.step((-1) ** turn * 500.0)
        await log.close()
        log = bench.open(OPTIONS)
        ages = [await reader.age_of(record.offset) for record in await read_all(reader)]
        assert ages == sorted(ages, reverse=True)
    assert ages[0] >= 60.0


async def test_a_segment_ends_by_its_own_age(bench):
    """A clock that jumps begins no new segment; time that passes does."""
    options = LogOptions(disk_floor=0, segment_age=100.0)
    log = bench.open(options)
    await log.append(entries("a"))
    bench.clock.step(YEAR)
    await log.append(entries("b"))
    assert len(list_segments(bench.folder)) == 1
    bench.clock.step(-YEAR)
    bench.clock.advance(100.0)
    await log.append(entries("c"))
    assert len(list_segments(bench.folder)) == 2
    assert (await bench.reader().state()).last_at == bench.clock.now()
    assert bench.clock.now() % MICROSECONDS == 0
