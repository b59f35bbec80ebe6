"""The files of a log: private, versioned, locked, and whole again after a crash at any moment."""

import shutil
import sqlite3
import stat

import pytest

from postroad.errors import StoreLocked, StoreUnavailable, StoreVersion
from postroad.log.base import MARGIN, number_of
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.segments import list_segments, segment_at
from postroad.storage.files import connect_writer
from postroad.testing.faults import FaultyDisk
from postroad.testing.logs import entries, read_all

ONE_FILE = LogOptions(disk_floor=0)


async def test_every_file_is_private(bench):
    """Only the owner may read any file of a log, SQLite's companions included."""
    log, reader = bench.open(), bench.reader()
    await log.append(entries("a"))
    await log.append(entries("b"))
    await read_all(reader)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in bench.folder.iterdir()}
    assert {name for name in modes if name.endswith(("-wal", "-shm"))}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(bench.folder.stat().st_mode) == 0o700


async def test_a_newer_format_is_refused(bench):
    """Writer and reader refuse a file that a newer Postroad wrote, with a sentence."""
    await bench.open().close()
    path = list_segments(bench.folder)[0].path
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 4 WHERE key = 'format'")
    db.close()
    with pytest.raises(StoreVersion, match=r"has format 4, this Postroad knows up to 3; upgrade Postroad"):
        bench.open()
    with pytest.raises(StoreVersion, match=path.name):
        await bench.reader().end()


@pytest.mark.parametrize("content", ["a table", "no database"])
async def test_a_file_that_is_not_ours_is_set_aside(bench, content):
    """A file in the folder that is no segment is renamed, not removed, and the log goes on far above it."""
    bench.folder.mkdir()
    path = segment_at(bench.folder, 7).path
    if content == "a table":
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE other (a)")
        db.close()
    else:
        path.write_text("no database, but long enough to be looked at " * 30)
    size = path.stat().st_size
    log = bench.open()
    (offset,) = (await log.append(entries("a"))).offsets
    assert number_of(offset) >= 7 + MARGIN
    assert not path.exists()
    assert path.with_name(f"{path.name}.damaged").stat().st_size == size
    assert [record.key for record in await read_all(bench.reader())] == [b"a"]


async def test_a_refused_log_is_not_locked(bench):
    """A writer that could not open gives the lock back, and a closed one too."""
    log = bench.open()
    with pytest.raises(StoreLocked):
        bench.open()
    await log.close()
    await bench.open().close()


async def test_a_folder_that_cannot_be_used(bench):
    """A folder that can't be made is a sentence with its path."""
    bench.folder.write_text("a file")
    with pytest.raises(StoreUnavailable, match=str(bench.folder)):
        bench.open()


@pytest.mark.parametrize("left", ["an empty file", "a file without tables"])
async def test_a_segment_that_was_only_begun(bench, left):
    """A crash in the middle of a cut leaves a segment without tables: the log goes on in it."""
    log, reader = bench.open(), bench.reader()
    offsets = [(await log.append(entries(name))).offsets[0] for name in "ab"]
    await log.append(entries("a"))
    before = await read_all(reader)
    await log.close()
    begun = segment_at(bench.folder, number_of(offsets[-1]) + 1).path
    if left == "an empty file":
        begun.touch(0o600)
    else:
        connect_writer(begun).close()
    assert await read_all(reader) == before
    assert await reader.end() == before[-1].offset // 65536 * 65536 + 65536
    assert (await reader.state()).appended == 2
    log = bench.open()
    assert (await log.append(entries("b"))).duplicates
    assert (await log.append(entries("c"))).offsets[0] > offsets[-1]
    state = await reader.state()
    assert (state.appended, state.duplicates, state.kept, state.segments) == (3, 2, 3, 3)


async def test_a_torn_write_ahead_log(bench, tmp_path):
    """However much of the tail is missing, the log opens with a whole prefix and takes the rest again."""
    log, folder = bench.open(ONE_FILE), bench.folder
    for turn in range(12):
        await log.append(entries(f"{turn}a", f"{turn}b"))
    whole = await read_all(bench.reader())
    wal = next(folder.glob("*-wal"))
    found = set()
    for step in range(13):
        bench.folder = tmp_path / f"copy{step}"
        shutil.copytree(folder, bench.folder)
        with (bench.folder / wal.name).open("r+b") as file:
            file.truncate(wal.stat().st_size * step // 12)
        opened = bench.open(ONE_FILE)
        kept = await read_all(bench.reader())
        assert kept == whole[: len(kept)]
        assert len(kept) % 2 == 0
        again = await opened.append(entries(*[record.key.decode() for record in whole]))
        assert list(again.duplicates.values()) == kept
        found.add(len(kept))
    assert len(found) > 5
    assert max(found) == len(whole)


async def test_garbage_at_the_end_of_the_write_ahead_log(bench, tmp_path):
    """A last page that was written wrong costs the block that it belongs to and no other."""
    log = bench.open(ONE_FILE)
    for turn in range(3):
        await log.append(entries(f"{turn}"))
    whole = await read_all(bench.reader())
    copy = tmp_path / "copy"
    shutil.copytree(bench.folder, copy)
    wal = next(copy.glob("*-wal"))
    with wal.open("r+b") as file:
        file.seek(-100, 2)
        file.write(b"\xff" * 100)
    bench.folder = copy
    bench.open(ONE_FILE)
    assert await read_all(bench.reader()) == whole[:-1]


async def test_a_store_that_is_down_at_the_start(bench):
    """A log opened on a failing disk is not healthy, refuses, and heals with all that it knew."""
    log = bench.open()
    await log.append(entries("a"))
    await log.close()
    disk = FaultyDisk()
    disk.broken = True
    log = bench.open(connect=disk)
    assert not log.healthy
    with pytest.raises(StoreUnavailable):
        await log.append(entries("b"))
    disk.broken = False
    assert (await log.append(entries("a"))).duplicates
    assert log.healthy


async def test_a_read_only_disk_heals(bench):
    """A disk that was remounted read-only is unavailable, and fine again when it is writable."""
    connections = []

    def connect(path):
        connections.append(connect_writer(path))
        return connections[-1]

    log = bench.open(ONE_FILE, connect=connect)
    connections[0].execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match="readonly"):
        await log.append(entries("a"))
    assert not log.healthy
    assert not (await log.append(entries("a"))).duplicates
    assert len(connections) == 2
