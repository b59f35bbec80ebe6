"""What is written down of a log's ends, and what others know of them: no number is used twice."""

import json
import os
import sqlite3
from errno import ENOSPC

import pytest

from postroad.log.base import BLOCK_SPAN, MARGIN, number_of, offset_of
from postroad.log.embedded import ends as ends_file
from postroad.log.embedded.ends import files_of, read_ends, write_ends
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.segments import list_segments, remove_segment
from postroad.testing.logs import entries, read_all

ONE_FILE = LogOptions(disk_floor=0)


async def test_numbers_above_all_that_is_known(bench):
    """A log that ends below what the ledger knows goes on above that, once, and tells of the epoch."""
    log = bench.open()
    await log.append(entries("a"))
    await log.close()
    known = offset_of(70, 3)
    log, reader = bench.open(known_end=known), bench.reader()
    (offset,) = (await log.append(entries("b"))).offsets
    assert number_of(offset) >= 71 + MARGIN
    assert await reader.end() > known
    assert (await reader.identity())[1] == 2
    assert not [block for block in await reader.read(0, 1 << 20) if block.lost], "nobody knows how many there were"
    await log.close()
    log = bench.open(known_end=offset + 1)
    assert number_of((await log.append(entries("c"))).offsets[0]) == number_of(offset) + 1
    assert (await reader.identity())[1] == 2


@pytest.mark.parametrize("end", [0, 1, BLOCK_SPAN])
async def test_a_log_that_is_not_behind(bench, end):
    """A log that ends where it is known to end, or above, goes on as it is."""
    log = bench.open()
    await log.append(entries("a"))
    await log.close()
    log = bench.open(known_end=end)
    assert (await log.append(entries("b"))).offsets[0] == BLOCK_SPAN
    assert (await bench.reader().identity())[1] == 1


@pytest.mark.parametrize("beside", ["left", "gone"])
async def test_a_log_that_is_gone(bench, beside):
    """Where the whole folder is gone, the log goes on as itself, above, with all of it lost, by what was written down
    beside the folder. Where that is gone too, it is another log, and numbers above what the ledger knows.
    """
    log = bench.open()
    await log.append(entries("a"))
    was = await bench.reader().identity()
    await log.close()
    for path in bench.folder.iterdir():
        path.unlink()
    if beside == "gone":
        files_of(bench.folder)[1].unlink()
    log = bench.open(known_end=BLOCK_SPAN)
    assert (await log.append(entries("a"))).offsets[0] == offset_of(1 + MARGIN, 0)
    identity, epoch = await bench.reader().identity()
    lost = sum(block.lost for block in await bench.reader().read(0, 1 << 20))
    assert (identity == was[0], epoch, lost) == ((True, 2, 1) if beside == "left" else (False, 1, 0))


async def test_an_end_that_was_lost_twice(bench):
    """Each time the end is lost the epoch rises and what is missing adds up."""
    for epoch in (1, 2, 3):
        log = bench.open()
        assert (await bench.reader().identity())[1] == epoch
        await log.append(entries(f"{epoch}a", f"{epoch}b"))
        await log.append(entries(f"{epoch}c"))
        await log.close()
        remove_segment(list_segments(bench.folder)[-1])
    log, reader = bench.open(), bench.reader()
    blocks = await reader.read(0, 1 << 20)
    assert [(len(block.records), block.lost) for block in blocks] == [(2, 0), (0, 1)] * 3
    assert (await reader.state()).appended == 9


async def test_waiting_over_a_lost_end(bench):
    """A reader that has read all waits for the next event, wherever it will be numbered."""
    log = bench.open()
    end = offset_of(number_of((await log.append(entries("a"))).offsets[0]) + 1, 0)
    await log.close()
    log, reader = bench.open(known_end=offset_of(9, 0)), bench.reader()
    assert await reader.end() > end
    assert await reader._run(reader._reach) == end
    await log.append(entries("b"))
    await reader.wait(end)
    assert [record.key for block in await reader.read(end, 1) for record in block.records] == [b"b"]


async def test_the_file_is_private_and_checked(bench):
    """It is its owner's only, and one changed digit makes it nobody's word; the other of the two is enough."""
    log = bench.open()
    await log.append(entries("a"))
    await log.record_end()
    for path in files_of(bench.folder):
        assert path.stat().st_mode & 0o777 == 0o600
        told = json.loads(path.read_text())["ends"]
        assert (told["following"], told["appended"], told["epoch"]) == (1, 1, 1)
        assert read_ends(bench.folder).appended == 1
        path.write_text(path.read_text().replace('"appended":1', '"appended":7'))
    assert read_ends(bench.folder) is None
    assert not [block for block in await bench.reader().read(0, 1 << 20) if block.lost]


async def test_it_is_written_when_something_is_new(bench):
    """Once a second is asked; it is written when something has changed, and once a minute for the time."""
    log = bench.open()
    path = bench.folder / "ends.json"

    async def is_written():
        before = path.stat().st_ino
        kept = os.open(path, os.O_RDONLY)  # so that its number is not given to the next one
        await log.record_end()
        os.close(kept)
        return path.stat().st_ino != before

    assert not await is_written()
    await log.append(entries("a"))
    assert [await is_written(), await is_written()] == [True, False]
    bench.clock.advance(59.0)
    assert not await is_written()
    bench.clock.advance(1.0)
    assert await is_written()


async def test_a_disk_that_is_full_does_not_stop_retention(bench, monkeypatch):
    """Where no new file can be written the old one is written over: retention makes room again."""
    log, reader = bench.open(), bench.reader()
    for name in "abc":
        await log.append(entries(name))
    bench.clock.advance(10.0)

    def full(path, _text):
        raise OSError(ENOSPC, os.strerror(ENOSPC), str(path))

    monkeypatch.setattr(ends_file, "write_private", full)
    assert await log.retire(await reader.end(), 5.0) == 2
    assert (await reader.ends()).retired == 2
    assert [record.key for record in await read_all(reader)] == [b"c"]


async def test_nothing_ahead_of_the_disk(bench):
    """What is written down was durable before: a log that lost nothing never looks as if it had."""
    log, reader = bench.open(ONE_FILE), bench.reader()
    for turn in range(5):
        await log.append(entries(f"{turn}"))
        await log.record_end()
        with sqlite3.connect(list_segments(bench.folder)[0].path) as db:
            (appended,) = db.execute("SELECT max(appended) FROM block").fetchone()
        db.close()
        assert (await reader.ends()).appended == appended == turn + 1
    write_ends(bench.folder, (await reader.ends())._replace(identity="0a" * 16, appended=99))
    assert await bench.reader().ends() is None, "another log's"
