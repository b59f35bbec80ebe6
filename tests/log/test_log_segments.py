"""Segments: when one ends, and how its blocks are found."""

import asyncio
import random
import sqlite3

import pytest

from postroad.errors import StoreUnavailable
from postroad.log.base import Entry, Window, number_of
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.segments import list_segments
from postroad.log.embedded.tables import search
from postroad.testing.faults import FaultyDisk
from postroad.testing.logs import entries, read_all


async def test_a_segment_ends_by_size(bench):
    """No segment grows far beyond its size, and the size of an old one still counts after a restart."""
    options = LogOptions(disk_floor=0, segment_bytes=100_000)
    log = bench.open(options)
    for turn in range(20):
        await log.append([Entry(bytes([turn]), bytes(range(256)) * 4 * turn)])
        if turn % 5 == 4:
            await log.close()
            log = bench.open(options)
    for turn in range(12):
        await log.append([Entry(b"%d" % turn, random.Random(turn).randbytes(20_000))])
    await log.close()
    sizes = [segment.path.stat().st_size for segment in list_segments(bench.folder)]
    assert len(sizes) > 2
    assert all(90_000 < size < 140_000 for size in sizes[:-1])


async def test_a_segment_ends_by_age(bench):
    """The first block that comes after the segment's age begins a new one; restarts don't make it younger."""
    options = LogOptions(disk_floor=0, segment_age=100.0)
    log = bench.open(options)
    await log.append(entries("a"))
    bench.clock.advance(99.0)
    await log.append(entries("b"))
    await log.close()
    log = bench.open(options)
    bench.clock.advance(1.0)
    last = (await log.append(entries("c"))).offsets[0]
    assert [segment.first for segment in list_segments(bench.folder)] == [0, number_of(last)]


async def test_an_empty_segment_is_not_ended(bench):
    """A log that gets nothing makes no files, however old it is."""
    log = bench.open()
    for _ in range(3):
        bench.clock.advance(1e6)
        assert await log.check()
    assert len(list_segments(bench.folder)) == 1


async def test_all_that_may_go_goes(bench):
    """Retention removes every segment that is passed and old, with its companions, and the figures stay."""
    log, reader = bench.open(), bench.reader()
    offsets = []
    for turn in range(6):
        bench.clock.advance(10.0)
        offsets.append((await log.append(entries(f"{turn}a", f"{turn}b"))).offsets[1])
    await log.append(entries("5a"))
    await read_all(reader)
    assert await log.retire(offsets[2], 0.0) == 4
    assert await log.retire(offsets[2] + 1, 0.0) == 2
    assert await log.retire(offsets[5] + 1, 10.0) == 2
    assert await log.retire(offsets[5] + 1, 0.0) == 2
    bench.clock.advance(10.0)
    assert await log.retire(offsets[5] + 1, 0.0) == 0
    assert {path.name.split(".")[0] for path in bench.folder.iterdir()} == {f"{5:015d}", "writer", "ends"}
    state = await reader.state()
    assert (state.appended, state.duplicates, state.kept, state.segments) == (12, 1, 2, 1)


async def test_what_was_retired_is_no_duplicate(bench):
    """A key whose record has been removed is new again, and the window says so."""
    log = bench.open()
    began = []
    for name in "abc":
        bench.clock.advance(1.0)
        began.append(bench.clock.now())
        last = await log.append(entries(name))
    assert log.windows[0] == Window(3, began[0])
    assert await log.retire(last.offsets[0], 0.0) == 2
    assert log.windows[0] == Window(1, began[2])
    assert list((await log.append(entries("a", "b", "c"))).duplicates) == [2]


async def test_retiring_waits_for_no_append(bench):
    """Retention beside appends loses nothing of either."""
    log, reader = bench.open(), bench.reader()
    appending = [asyncio.create_task(log.append(entries(f"{turn}"))) for turn in range(5)]
    gone = await log.retire(0, 0.0)
    await asyncio.gather(*appending)
    assert gone == 0
    assert len(await read_all(reader)) == 5


@pytest.mark.parametrize("fault", ["lost", "kept"])
async def test_a_cut_that_fails(bench, fault):
    """A segment that can't be begun fails the append, which succeeds when it is tried again."""
    disk = FaultyDisk()
    log, reader = bench.open(connect=disk), bench.reader()
    await log.append(entries("a"))
    disk.next_commit = fault
    with pytest.raises(StoreUnavailable):
        await log.append(entries("b"))
    assert not log.healthy
    assert list((await log.append(entries("a", "b"))).duplicates) == [0]
    assert log.healthy
    assert [record.key for record in await read_all(reader)] == [b"a", b"b"]


@pytest.mark.parametrize("fault", ["lost", "kept"])
async def test_duplicates_that_could_not_be_counted(bench, fault):
    """A group of nothing but duplicates fails too when its count can't be stored."""
    disk = FaultyDisk()
    log, reader = bench.open(LogOptions(disk_floor=0), connect=disk), bench.reader()
    await log.append(entries("a"))
    disk.next_commit = fault
    with pytest.raises(StoreUnavailable):
        await log.append(entries("a"))
    await log.append(entries("a"))
    assert (await reader.state()).duplicates == (1 if fault == "lost" else 2)


async def test_a_block_that_is_there_after_all(bench):
    """When a failed commit turns out to be on disk, its entries are duplicates, and its number is not used again."""
    disk = FaultyDisk()
    log, reader = bench.open(LogOptions(disk_floor=0), connect=disk), bench.reader()
    disk.next_commit = "kept"
    with pytest.raises(StoreUnavailable):
        await log.append(entries("a", "b"))
    receipt = await log.append(entries("b", "c"))
    records = await read_all(reader)
    assert [record.key for record in records] == [b"a", b"b", b"c"]
    assert receipt.duplicates == {0: records[1]}
    assert number_of(receipt.offsets[1]) > number_of(receipt.offsets[0])


async def test_offsets_of_a_failed_commit_are_not_used_again(bench):
    """Nobody can have seen another record at the offset of one that failed."""
    disk = FaultyDisk()
    log = bench.open(LogOptions(disk_floor=0), connect=disk)
    (first,) = (await log.append(entries("a"))).offsets
    disk.next_commit = "lost"
    with pytest.raises(StoreUnavailable):
        await log.append(entries("b"))
    assert number_of((await log.append(entries("b"))).offsets[0]) == number_of(first) + 2


@pytest.mark.parametrize("numbers", [[], [0], [5], [0, 1, 2, 3], [2, 3, 7, 20, 21, 22, 90]])
def test_blocks_are_found_by_what_grows(numbers):
    """The search finds the first block that reaches a figure, whatever gaps the numbers have."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE block (number INTEGER PRIMARY KEY, appended_at, appended)")
    rows = [(number, number // 3 * 10, place) for place, number in enumerate(numbers)]
    db.executemany("INSERT INTO block VALUES (?, ?, ?)", rows)
    for least in range(-1, 320):
        reached = [number for number, at, _ in rows if at >= least]
        assert search(db, "appended_at", least) == (reached[0] if reached else None)
    for least in range(-1, 10):
        reached = [number for number, _, appended in rows if appended >= least]
        assert search(db, "appended", least) == (reached[0] if reached else None)
    db.close()
