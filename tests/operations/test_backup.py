"""A backup is a data folder whose books balance, whatever the server does meanwhile."""

import asyncio
import os
import sqlite3
import stat
from contextlib import closing

import pytest

from postroad.clock import ManualClock
from postroad.errors import StoreError, StoreUnavailable, UsageError
from postroad.ledger.base import Outcome, RetryRow, Settlement
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import Entry, number_of
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.operations.audit import audit
from postroad.operations.backup import backup
from postroad.regions import open_region
from postroad.rejections import Rejection, Rejections
from postroad.storage import copying
from postroad.storage.files import prepare_folder
from postroad.storage.layout import region_files

BEYOND = 1_000_000


def tell(_done, _all):
    """Nobody looks."""


class Server:
    """A data folder with one region and its writers."""

    def __init__(self, folder):
        self.folder = folder
        prepare_folder(folder)
        self.files = region_files(folder, "us")
        self.clock = ManualClock()
        self.log = SqliteLog.open(self.files.log, self.clock, LogOptions(disk_floor=0, segment_bytes=24_100))
        self.ledger = SqliteLedger.open(self.files.ledger)
        self.rejections = Rejections.open(self.files.rejections)
        self.count = 0

    async def work(self, outcome=Outcome.DELIVERED):
        """Accept three events, settle them and record a rejection."""
        names = range(self.count, self.count + 3)
        self.count += 3
        values = [Entry(b"app\0%d" % name, os.urandom(300)) for name in names]
        offsets = (await self.log.append(values)).offsets
        number = number_of(offsets[0])
        retries = [RetryRow(offset, 10**15, 1, 1, "busy") for offset in offsets if outcome == Outcome.RETRY]
        settlement = Settlement(dict.fromkeys(offsets, outcome), {number: 3}, (number + 1) << 16, retries)
        await self.ledger.settle(1, settlement)
        await self.rejections.record([Rejection(1, "app", "not_json", (), "/v1/track", 4, "", b"what")])

    async def retire(self):
        """Let retention remove all that it may."""
        self.clock.advance(100)
        return await self.log.retire(await self.ledger.floor(1), 10)

    async def close(self):
        """Let everything go."""
        for store in (self.log, self.ledger, self.rejections):
            await store.close()


@pytest.fixture
async def server(tmp_path):
    """A server with one destination that has worked a little."""
    server = Server(tmp_path / "data")
    (server.folder / "write-key").write_text("secret\n")
    await server.ledger.open_account("hook", start=0, at=1)
    for _ in range(50):
        await server.work()
    yield server
    await server.close()


async def audited(folder):
    """Audit a copy through real writers, as a server that starts there would open it."""
    prepare_folder(folder)
    copy = Server(folder)
    receipt = await copy.log.append([Entry(b"app\0after", b"v")])
    assert receipt.offsets[0] > await copy.ledger.floor(1) - (1 << 16)
    region = open_region("us", copy.files, copy.clock)
    try:
        return await audit(region)
    finally:
        await region.close()
        await copy.close()


async def test_beside_a_server_that_never_rests(server, tmp_path):
    """Whenever a backup is taken beside a busy server, its books balance, and a server can go on from there."""
    stop = asyncio.Event()

    async def work():
        while not stop.is_set():
            await server.work()

    working = asyncio.create_task(work())
    for place in range(5):
        target = tmp_path / f"copy-{place}"
        copied = await backup(server.folder, target, tell)
        assert copied.files >= 5
        books = await audited(target)
        assert books.balanced, books
        assert books.accepted > 150
    stop.set()
    await working


async def test_what_is_in_it(server, tmp_path):
    """It has the secrets and what destinations wrote, for its owner only, and no locks or pulses."""
    (server.folder / "run").mkdir()
    (server.folder / "run" / "ingest.json").write_text("{}")
    (server.files.folder / "parts" / "deep").mkdir(parents=True)
    (server.files.folder / "parts" / "deep" / "events.ndjson").write_text("{}\n")
    await backup(server.folder, tmp_path / "copy", tell)
    found = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    logs = {name for name in found if name.startswith("us/log/")}
    assert len(logs) > 1
    stores = {"us/ledger.db", "us/log-ends.json", "us/rejections.db"}
    assert found - logs == {"FORMAT", "write-key", *stores, "us/parts/deep/events.ndjson"}
    for path in (tmp_path / "copy").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_progress(server, tmp_path):
    """Progress grows up to all there is."""
    told = []
    await backup(server.folder, tmp_path / "copy", lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert 0 < told[-1][0] <= told[-1][1]


async def test_a_file_that_is_written_all_the_time(server, tmp_path, monkeypatch):
    """A file is copied as it was when its copying began, however often it is written meanwhile."""
    monkeypatch.setattr(copying, "PAGES", 1)
    loop = asyncio.get_running_loop()
    told = []

    def tell(done, _all):
        told.append(done)
        if len(told) < 20:
            asyncio.run_coroutine_threadsafe(server.work(), loop).result()

    await backup(server.folder, tmp_path / "copy", tell)
    assert told == sorted(told)
    assert (await audited(tmp_path / "copy")).balanced


async def test_retention_removes_what_is_being_copied(server, tmp_path, monkeypatch):
    """Segments that retention removes meanwhile are missing at the beginning only, and the books balance."""
    monkeypatch.setattr(copying.Copying, "database", disturbed(server, copying.Copying.database))
    await backup(server.folder, tmp_path / "copy", tell)
    books = await audited(tmp_path / "copy")
    assert books.balanced, books
    assert books.kept < books.accepted
    assert len(list((tmp_path / "copy" / "us" / "log").iterdir())) < len(list(server.files.log.glob("*.db"))) + 5


async def test_retention_removes_what_the_copied_ledger_needs(server, tmp_path, monkeypatch):
    """When the copied ledger still needs what retention removed, all of it is copied again."""
    late = await server.ledger.open_account("late", start=0, at=1)

    async def settle_and_retire():
        end = server.count // 3
        codes = {number << 16 | place: Outcome.DELIVERED for number in range(end) for place in range(3)}
        await server.ledger.settle(late.number, Settlement(codes, dict.fromkeys(range(end), 3), end << 16))
        assert await server.retire()

    real = copying.Copying.database
    monkeypatch.setattr(copying.Copying, "database", disturbed(server, real, settle_and_retire))
    await backup(server.folder, tmp_path / "copy", tell)
    copy = SqliteLedger.open(tmp_path / "copy" / "us" / "ledger.db")
    assert (await copy.account(late.number)).cursor > 0
    await copy.close()
    region = open_region("us", region_files(tmp_path / "copy", "us"), server.clock)
    books = await audit(region)
    await region.close()
    assert books.balanced, books


def disturbed(server, real, work=None):
    """Let retention do its work after the third segment was copied."""
    loop = asyncio.get_running_loop()
    copied = 0

    def database(self, source, target):
        nonlocal copied
        done = real(self, source, target)
        copied += source.parent.name == "log"
        if copied == 3:
            copied = BEYOND
            asyncio.run_coroutine_threadsafe((work or server.retire)(), loop).result()
        return done

    return database


async def test_a_folder_that_is_not_empty(server, tmp_path):
    """A folder that has something, is a file, or lies in the data folder is refused, and nothing is touched."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for target in (tmp_path / "full", tmp_path / "file", server.folder / "copy"):
        with pytest.raises(UsageError):
            await backup(server.folder, target, tell)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    assert not (server.folder / "copy").exists()


async def test_an_unfinished_backup(server, tmp_path, monkeypatch):
    """No server starts from a backup that was not finished."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copying.shutil, "copyfile", fail)
    with pytest.raises(StoreUnavailable, match="No space left"):
        await backup(server.folder, tmp_path / "copy", tell)
    with pytest.raises(StoreError, match="FORMAT"):
        prepare_folder(tmp_path / "copy")


async def test_stopped_half_way(server, tmp_path):
    """A backup that is cancelled stops at the next page, and is no data folder."""
    with closing(sqlite3.connect(server.files.folder / "big.db")) as db:
        db.execute("CREATE TABLE t (x)")
        db.executemany("INSERT INTO t VALUES (?)", [(b"x" * 4000,)] * 5000)
        db.commit()
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(backup(server.folder, tmp_path / "copy", lambda *_: loop.call_soon_threadsafe(seen.set)))
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(StoreError):
        prepare_folder(tmp_path / "copy")
