"""A log that a Postroad of format 1 wrote (tests/golden/format1) is read, continued and retired as it is."""

import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from postroad.contract.stored import unpack
from postroad.log.base import Entry, number_of
from postroad.log.embedded.options import DAY, LogOptions
from postroad.log.embedded.segments import list_segments
from postroad.testing.logs import entries, read_all

GOLDEN = Path(__file__).parent.parent / "golden" / "format1"
EVENTS = 231
BLOCKS = 48
OPTIONS = LogOptions(disk_floor=0)
LAST_AT = 1_700_002_880_000_000


@pytest.fixture(params=["closed", "killed"])
def old(bench, request):
    """A copy of one of the folders: one was closed, the other killed with its last blocks in a write-ahead log."""
    shutil.copytree(GOLDEN / request.param / "us" / "log", bench.folder)
    bench.clock.step(LAST_AT / 1e6 - bench.clock.now() / 1e6 + 60.0)
    return bench


async def test_everything_is_read(old):
    """Every event is there once, as it was; nothing is lost, and the figures go on."""
    reader = old.reader()
    assert await reader.identity() is await reader.ends() is None
    records = await read_all(reader)
    assert [record.key for record in records] == [b"app\0m-%04d" % number for number in range(EVENTS)]
    assert Counter(unpack(record.value).name for record in records)["Email Opened"] == 58
    log = old.open(OPTIONS)
    await log.append(entries("new"))
    assert await read_all(reader) == [*records, (await reader.end() - 65536, *entries("new")[0])]
    state = await reader.state()
    assert (state.appended, state.duplicates, state.kept) == (EVENTS + 1, 9, EVENTS + 1)
    assert not [block for block in await reader.read(0, 1 << 30) if block.lost]
    assert await reader.find(records[5].key) == records[5]


async def test_nothing_of_it_is_rewritten(old):
    """The log goes on in a segment of its own; the bytes of the old ones stay as they were, their write-ahead log moved
    in.
    """
    before = {path.name: path.read_bytes() for path in old.folder.glob("*.db")}
    wal = [path.name for path in old.folder.glob("*-wal")]
    log = old.open(OPTIONS)
    (offset,) = (await log.append(entries("new"))).offsets
    await log.close()
    assert number_of(offset) == BLOCKS
    assert [segment.first for segment in list_segments(old.folder)] == [0, 33, BLOCKS]
    for name, content in before.items():
        assert f"{name}-wal" in wal or (old.folder / name).read_bytes() == content
        with sqlite3.connect(old.folder / name) as db:
            assert db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() == (1,)
        db.close()
    ends = await old.reader().ends()
    assert (ends.epoch, ends.following, ends.appended, ends.duplicates) == (1, BLOCKS + 1, EVENTS + 1, 9)
    assert await old.reader().identity() == (ends.identity, 1)


async def test_its_duplicates_are_recognised(old):
    """What format 1 has stored is a duplicate as long as it is in the window, also after another restart."""
    for _ in range(2):
        log, reader = old.open(OPTIONS), old.reader()
        records = await read_all(reader)
        again = await log.append([Entry(record.key, b"again") for record in records])
        assert list(again.duplicates.values()) == records
        assert (await log.append([Entry(b"app\0m-0007", b"once more"), *entries("new")])).duplicates[0] == records[7]
        await log.close()


async def test_its_window_ends(old):
    """When all of it has left the window it is new again, and nobody looks in the old tables any more."""
    log = old.open(OPTIONS)
    old.clock.advance(7 * DAY + 1)
    assert not (await log.append([Entry(b"app\0m-0007", b"later")])).duplicates
    assert log._writer._window._unkeyed is None
    assert list((await log.append([Entry(b"app\0m-0007", b"again")])).duplicates) == [0]


async def test_it_is_retired(old):
    """Its segments go like any other: by what they need and by their age."""
    log, reader = old.open(OPTIONS), old.reader()
    await log.append(entries("new"))
    assert await log.retire(await reader.end(), DAY) == 0
    old.clock.advance(2 * DAY)
    assert await log.retire(33 << 16, DAY) == 156
    assert await log.retire(await reader.end(), DAY) == EVENTS - 156
    assert [record.key for record in await read_all(reader)] == [b"new"]
    state = await reader.state()
    assert (state.appended, state.kept) == (EVENTS + 1, 1)


async def test_an_empty_one(bench):
    """A log of format 1 that has no events goes on in a segment of its own too."""
    shutil.copytree(GOLDEN / "closed" / "us" / "log", bench.folder)
    list_segments(bench.folder)[1].path.unlink()
    with sqlite3.connect(list_segments(bench.folder)[0].path) as db:
        db.execute("DELETE FROM block")
    db.close()
    log, reader = bench.open(OPTIONS), bench.reader()
    await log.append(entries("a"))
    assert [record.key for record in await read_all(reader)] == [b"a"]
