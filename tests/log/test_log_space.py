"""A disk that runs full, and a queue that does."""

import asyncio
import random
import subprocess
import sys

import pytest

from postroad.errors import StoreBusy, StoreUnavailable
from postroad.log.base import Entry
from postroad.log.embedded.options import MIB, LogOptions
from postroad.testing.logs import entries, read_all

FLOOR = LogOptions(disk_floor=100 * MIB)


async def test_the_disk_floor(bench):
    """Below the floor nothing is written; above it again everything is, without a restart."""
    free = 500 * MIB
    log, reader = bench.open(FLOOR, free=lambda _: free), bench.reader()
    await log.append(entries("a"))
    free = 99 * MIB
    bench.clock.advance(1.0)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="the disk has 99 MiB left, the floor is 100 MiB"):
            await log.append(entries("b"))
    assert not log.healthy
    assert not await log.check()
    free = 100 * MIB
    assert await log.check()
    assert not (await log.append(entries("b"))).duplicates
    assert [record.key for record in await read_all(reader)] == [b"a", b"b"]


async def test_the_floor_is_looked_at_under_load(bench):
    """What is written in less than a second counts too: the disk can't fill up between two looks."""
    looks = []
    log = bench.open(FLOOR, free=lambda _: looks.append(1) or 500 * MIB)
    noise = random.Random(1).randbytes(9 * MIB)
    for turn in range(4):
        await log.append([Entry(bytes([turn]), noise)])
    assert len(looks) == 2


async def test_a_disk_that_cannot_be_asked(bench):
    """A disk whose free space can't be told is unavailable, not fine."""

    def free(_):
        raise OSError(5, "Input/output error")

    with pytest.raises(StoreUnavailable, match="Input/output error"):
        await bench.open(FLOOR, free=free).append(entries("a"))


FULL_DISK = """
import asyncio, os, resource, sys
from pathlib import Path
from postroad.clock import ManualClock
from postroad.errors import StoreUnavailable
from postroad.log.base import Entry
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.reader import SqliteLogReader
from postroad.log.embedded.log import SqliteLog
from postroad.testing.logs import read_all

async def main(folder, clock, options):
    log = SqliteLog.open(folder, clock, options)
    sent = [Entry(b"%d" % turn, os.urandom(10_000)) for turn in range(60)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    stored, failed = [], []
    for entry in sent:
        try:
            await log.append([entry])
            stored.append(entry)
        except StoreUnavailable:
            assert not log.healthy
            failed.append(entry)
    assert len(stored) > 5 and len(failed) > 10, (len(stored), len(failed))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    receipt = await log.append(stored + failed)
    assert list(receipt.duplicates) == list(range(len(stored))), receipt.duplicates
    assert log.healthy
    await log.close()
    reader = SqliteLogReader(folder, clock)
    assert [(record.key, record.value) for record in await read_all(reader)] == stored + failed
    await reader.close()
    print("healed")

asyncio.run(main(Path(sys.argv[1]), ManualClock(), LogOptions(disk_floor=0)))
"""


async def test_a_disk_that_is_really_full(tmp_path):
    """When the system refuses to write more, appends fail; what failed is stored once there is room again."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("healed\n", "")


async def test_a_full_queue(bench):
    """More waiting bytes than the queue may hold are refused at once, and nothing of them is kept."""
    log = bench.open(LogOptions(disk_floor=0, max_queue=1000))
    waiting = asyncio.create_task(log.append([Entry(b"a", b"x" * 900)]))
    await asyncio.sleep(0)
    assert 900 < log.queued < 1000
    with pytest.raises(StoreBusy):
        await log.append([Entry(b"b", b"x" * 900)])
    await waiting
    assert log.queued == 0
    assert not (await log.append([Entry(b"b", b"x" * 2000)])).duplicates
