"""Readers: other processes, segments that come and go, and a log that is not there yet."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys

import pytest

from postroad.errors import StoreUnavailable
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.segments import list_segments, remove_segment
from postroad.testing.logs import entries, read_all

FOLLOW = """
import asyncio, sys
from pathlib import Path
from postroad.clock import SystemClock
from postroad.log.embedded.reader import SqliteLogReader

async def main():
    reader = SqliteLogReader(Path(sys.argv[1]), SystemClock())
    start = 0
    print("ready", flush=True)
    while True:
        for block in await reader.read(start, 1 << 20):
            print(*[record.key.decode() for record in block.records], flush=True)
            start = block.end
        await reader.wait(start)

asyncio.run(main())
"""

WRITE = """
import asyncio, sys
from pathlib import Path
from postroad.clock import SystemClock
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.log import SqliteLog
from postroad.testing.logs import entries

async def main():
    log = SqliteLog.open(Path(sys.argv[1]), SystemClock(), LogOptions(disk_floor=0, segment_bytes=200_000))
    for turn in range(1_000_000):
        await asyncio.gather(*[log.append(entries(f"{turn} {part} 0", f"{turn} {part} 1")) for part in range(5)])
        print(turn, flush=True)

asyncio.run(main())
"""


async def start(program, folder):
    """Start a Python process on the folder of a log."""
    return await asyncio.create_subprocess_exec(sys.executable, "-c", program, folder, stdout=subprocess.PIPE)


async def test_another_process_sees_blocks_as_they_come(bench):
    """A reader that started before there was a log follows it across segments, in another process."""
    process = await start(FOLLOW, bench.folder)
    assert await process.stdout.readline() == b"ready\n"
    log = bench.open()
    for turn in range(5):
        await log.append(entries(f"{turn}a", f"{turn}b"))
        assert await process.stdout.readline() == f"{turn}a {turn}b\n".encode()
    process.kill()
    await process.wait()


@pytest.mark.parametrize("turns", [1, 40, 150])
@pytest.mark.parametrize("first", ["reader", "writer"])
async def test_a_killed_writer_loses_nothing(bench, turns, first):
    """After kill -9 everything acknowledged is there once, whoever opens the files first."""
    process = await start(WRITE, bench.folder)
    for _ in range(turns):
        await process.stdout.readline()
    process.kill()
    rest = await process.stdout.read()
    await process.wait()
    acknowledged = turns + rest.count(b"\n")
    reader = bench.reader()
    found = await read_all(reader) if first == "reader" else None
    log = bench.open()
    records = await read_all(reader)
    assert found is None or found == records
    keys = [record.key.decode() for record in records]
    assert len(keys) == len(set(keys))
    assert keys[: acknowledged * 10] == [
        f"{turn} {part} {i}" for turn in range(acknowledged) for part in range(5) for i in range(2)
    ]
    again = await log.append(entries(f"{acknowledged - 1} 4 1", "new", "0 0 0"))
    assert list(again.duplicates) == [0, 2]
    assert (await reader.state()).appended == len(keys) + 1


async def test_a_log_that_is_not_there(bench):
    """Without a folder there is an empty log; it fills when the writer comes."""
    reader = bench.reader()
    assert await reader.end() == await reader.first() == await reader.offset_at(0) == 0
    assert await reader.read(0, 1) == []
    assert await reader.get(0) is await reader.find(b"a") is await reader.appended_at(0) is None
    assert (await reader.state())[:6] == (0, 0, 0, None, None, 0)
    waiting = asyncio.create_task(reader.wait(0))
    await bench.open().append(entries("a"))
    while not waiting.done():
        bench.clock.advance(0.02)
        await reader.end()
    assert [record.key for record in await read_all(reader)] == [b"a"]


async def test_more_segments_than_open_files(bench):
    """A log of many segments is read, searched and counted with few files open."""
    log, reader = bench.open(), bench.reader()
    offsets = [(await log.append(entries(f"{turn}"))).offsets[0] for turn in range(30)]
    assert [record.offset for record in await read_all(reader)] == offsets
    assert [(await reader.find(f"{turn}".encode())).offset for turn in range(30)] == offsets
    assert [(await reader.get(offset)).key for offset in offsets] == [f"{turn}".encode() for turn in range(30)]
    assert sorted((await log.append(entries("0", "15", "29"))).duplicates) == [0, 1, 2]
    assert (await reader.state()).segments == 30
    assert len(reader._files._open) == 8


async def test_segments_that_vanish(bench):
    """What retention removes under a reader is gone, without an error, even what was cached or open."""
    log, reader, late = bench.open(), bench.reader(), bench.reader()
    offsets = [(await log.append(entries(f"{turn}"))).offsets[0] for turn in range(6)]
    await read_all(reader)
    bench.clock.advance(1.0)
    assert await log.retire(offsets[4], 0.0) == 4
    assert [record.offset for record in await read_all(reader)] == offsets[4:]
    assert [await reader.get(offset) for offset in offsets[:4]] == [None] * 4
    assert await reader.find(b"0") is None
    assert await reader.first() == await reader.offset_at(0) == offsets[4]
    assert (await reader.state()).kept == 2
    late._files.refresh()
    for segment in list_segments(bench.folder):
        remove_segment(segment)
    with_the_old_list = [late._files.open(segment) for segment in late._files.segments]
    assert with_the_old_list == [None, None]
    assert [(block.lost, block.records) for block in await late.read(0, 1)] == [(2, ())]  # this was no retention


async def test_waiting_readers_share_one_look(bench):
    """However many wait, the files are looked at once in 20 ms; a waiter that gives up disturbs nobody."""
    reader = bench.reader()
    waiting = [asyncio.create_task(reader.wait(0)) for _ in range(20)]
    while not bench.clock._sleepers:
        await reader.end()
    for _ in range(5):
        await reader.end()
    assert len(bench.clock._sleepers) == 1
    waiting[0].cancel()
    await bench.open().append(entries("a"))
    while not all(task.done() for task in waiting):
        bench.clock.advance(0.02)
        await reader.end()
    assert waiting.pop(0).cancelled()
    await asyncio.gather(*waiting)


async def test_a_closed_reader_refuses(bench):
    """Once closing has begun reading is refused; closing again is fine."""
    reader = bench.reader()
    closing = asyncio.create_task(reader.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await reader.end()
    await closing
    await reader.close()
    with pytest.raises(StoreUnavailable):
        await reader.end()


async def test_a_reader_keeps_no_snapshot(bench, tmp_path):
    """Between two reads nothing is held that would keep the writer from tidying up."""
    log, reader = bench.open(LogOptions(disk_floor=0)), bench.reader()
    for turn in range(100):
        await log.append(entries(f"{turn}"))
    await reader.read(0, 1)
    await reader.find(b"5")
    with sqlite3.connect(list_segments(bench.folder)[0].path) as db:
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    db.close()
    shutil.copy(list_segments(bench.folder)[0].path, tmp_path / "alone.db")
    assert len(await read_all(reader)) == 100
