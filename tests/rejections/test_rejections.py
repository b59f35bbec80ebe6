"""Rejections are on disk when `record` returns, inside their quotas, and all of them are counted."""

import asyncio
import contextlib
import shutil
import sqlite3
import stat
from dataclasses import replace

import pytest

from postroad.errors import StoreBusy, StoreError, StoreLocked, StoreUnavailable, StoreVersion
from postroad.rejections import DEFAULT_QUOTAS, Count, Counts, Quota, Quotas, Rejection, Rejections, RejectionsReader
from postroad.rejections.store import MAX_QUEUE
from postroad.storage import files

KNOWN = Rejection(
    at=1_700_000_000_000_000,
    source="app",
    code="json",
    details=(("", "json", "is not JSON"), ("properties.email_id", "required", "is required")),
    path="/v1/track",
    size=9,
    key_fingerprint="0123abcd",
    body=b'{"a": \xff',
    index=3,
)
STRANGER = Rejection(
    at=1_700_000_000_000_001,
    source="",
    code="key_unknown",
    details=(),
    path="/v1/batch",
    size=12,
    key_fingerprint="",
    body=None,
)
COST = len(KNOWN.body) + len('[["", "json", "is not JSON"], ["properties.email_id", "required", "is required"]]') + 9


class Disk:
    """Opens connections that fail at COMMIT, or not at all, when told to."""

    def __init__(self):
        self.fail_commit = False
        self.broken = False

    def connect(self, path):
        """Open a connection, unless the disk is broken."""
        if self.broken:
            raise OSError(28, "No space left on device")
        return files.connect_writer(path, self._connection())

    def _connection(disk):  # noqa: N805 - the inner class has a self of its own
        class Connection(sqlite3.Connection):
            def execute(self, sql, *values):
                if disk.fail_commit and sql == "COMMIT":
                    raise sqlite3.OperationalError("disk I/O error")
                return super().execute(sql, *values)

        return Connection


@pytest.fixture
def path(tmp_path):
    """Where the rejections are: in a folder that is not there yet."""
    return tmp_path / "us" / "rejections.db"


@pytest.fixture
def reader(path):
    """A reader that is there before the file."""
    return RejectionsReader(path)


@pytest.fixture
async def store(path):
    """An open store with the default quotas."""
    opened = Rejections.open(path)
    yield opened
    await opened.close()


async def test_keeps_all_of_a_rejection(store, reader):
    """What was recorded comes back whole, under ids that increase."""
    first, second = await store.record([KNOWN, STRANGER])
    assert first < second
    assert await reader.get(first) == replace(KNOWN, id=first)
    assert await reader.get(second) == replace(STRANGER, id=second)
    assert await reader.get(second + 1) is None
    assert list(await store.record([])) == []


async def test_keeps_odd_text(store, reader):
    """Half a surrogate in a path or a reason, which no file can hold as it is, breaks nothing."""
    odd = replace(KNOWN, path="/v1/\udcff", details=(("a\ud800", "json", "é"),))
    (number,) = await store.record([odd])
    assert await reader.get(number) == replace(odd, path="/v1/\\udcff", id=number)


async def test_reader_sees_nothing_before_there_is_a_file(reader, path):
    """Without a file, or with one that has no tables yet, there are no rejections and none were counted."""
    for prepare in (lambda: None, lambda: (path.parent.mkdir(), path.touch())):
        prepare()
        assert [list(await reader.newest()), await reader.get(1), await reader.counts()] == [[], None, Counts()]


async def test_lists_the_newest_first(store, reader):
    """The list is the newest first, narrowed by source, code, time and ids, and only so long."""
    recorded = [
        replace(KNOWN, at=10),
        replace(KNOWN, at=20, code="too_large"),
        replace(STRANGER, at=30),
        replace(KNOWN, at=40, source="shop"),
    ]
    a, b, c, d = await store.record(recorded)

    async def ids(**narrowed):
        return [one.id for one in await reader.newest(**narrowed)]

    assert await ids() == [d, c, b, a]
    assert await ids(limit=2) == [d, c]
    assert await ids(source="app") == [b, a]
    assert await ids(source="") == [c]
    assert await ids(code="json") == [d, a]
    assert await ids(since=20) == [d, c, b]
    assert await ids(after=b) == [d, c]
    assert await ids(before=c) == [b, a]
    assert await ids(source="app", code="json", since=10, after=0, before=b) == [a]


async def test_refuses_the_body_of_a_stranger(store, reader):
    """Nothing that a stranger sent is kept."""
    with pytest.raises(ValueError, match="stranger"):
        await store.record([KNOWN, replace(STRANGER, body=b"x")])
    assert await reader.counts() == Counts()


async def test_evicts_the_oldest_beyond_the_rows(path, reader):
    """Beyond its rows a class loses its oldest, counted, and the other class nothing."""
    store = Rejections.open(path, Quotas(known=Quota(3, 1 << 20), strangers=Quota(2, 1 << 20)))
    known = await store.record([KNOWN] * 3)
    strangers = [(await store.record([STRANGER]))[0] for _ in range(7)]
    assert sorted(one.id for one in await reader.newest()) == sorted([*known, *strangers[-2:]])
    assert await reader.counts() == Counts(
        known=Count(recorded=3, kept=3, size=3 * COST),
        strangers=Count(recorded=7, kept=2, evicted=5, size=2 * len("[]/v1/batch")),
    )
    more = await store.record([KNOWN] * 2)
    assert [one.id for one in await reader.newest(source="app")] == [more[1], more[0], known[2]]
    assert [one.id for one in await reader.newest(source="")] == strangers[:-3:-1]
    await store.close()


async def test_public_sources_have_a_quota_of_their_own(path, reader):
    """However many rejections come with a key that anybody has, they push out none of another source's, and none of
    a stranger's; a file that was made before there was such a class has it as soon as it is opened.
    """
    store = Rejections.open(path)
    kept = await store.record([KNOWN, STRANGER])
    await store.close()
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM book WHERE stranger = 2")
        db.execute("UPDATE meta SET value = 1 WHERE key = 'format'")
    db.close()
    assert (await reader.counts()).public == Count()
    store = Rejections.open(path, Quotas(Quota(1, 1 << 20), Quota(1, 1 << 20), public=Quota(2, 1 << 20)))
    public = [(await store.record([replace(KNOWN, is_public=True)]))[0] for _ in range(5)]
    assert sorted(one.id for one in await reader.newest()) == [*kept, *public[-2:]]
    assert [one.is_public for one in await reader.newest()] == [True, True, False, False]
    counts, there = await reader.counted()
    assert counts.public == Count(recorded=5, kept=2, evicted=3, size=2 * COST)
    assert [one.kept for one in there] == [1, 1, 2]
    await store.close()


async def test_evicts_the_oldest_beyond_the_bytes(path, reader):
    """Beyond its bytes a class loses its oldest, as many as it takes, and what fits exactly stays."""
    store = Rejections.open(path, Quotas(known=Quota(100, 3 * COST), strangers=Quota(1, 1)))
    ids = await store.record([KNOWN] * 3)
    ids = [*ids, *await store.record([KNOWN])]
    assert [one.id for one in await reader.newest()] == ids[:0:-1]
    large = replace(KNOWN, body=KNOWN.body + b"x" * (COST + 1))
    (last,) = await store.record([large])
    assert [one.id for one in await reader.newest()] == [last]
    assert (await reader.counts()).known == Count(recorded=5, kept=1, evicted=4, size=2 * COST + 1)
    (none,) = await store.record([replace(KNOWN, body=b"x" * 4 * COST)])
    assert await reader.get(none) is None
    assert (await reader.counts()).known == Count(recorded=6, kept=0, evicted=6, size=0)
    await store.close()


async def test_a_smaller_quota_takes_effect(path, reader):
    """After a restart with a smaller quota the next change evicts what is too much."""
    store = Rejections.open(path)
    await store.record([KNOWN] * 5)
    await store.close()
    store = Rejections.open(path, DEFAULT_QUOTAS._replace(known=Quota(2, 1 << 20)))
    await store.record([STRANGER])
    assert (await reader.counts()).known == Count(recorded=5, kept=2, evicted=3, size=2 * COST)
    await store.close()


async def test_removes(store, reader):
    """What is removed is gone and counted apart; its id is never used again."""
    ids = await store.record([KNOWN, KNOWN, STRANGER])
    assert await store.remove([ids[2], ids[0], ids[0], 99]) == [ids[2], ids[0]]
    assert [one.id for one in await reader.newest()] == [ids[1]]
    assert await reader.counts() == Counts(
        known=Count(recorded=2, kept=1, removed=1, size=COST), strangers=Count(recorded=1, removed=1)
    )
    assert (await store.record([KNOWN]))[0] > ids[2]


async def test_waiting_calls_share_a_transaction(path, reader):
    """Calls that wait at once are committed together, each with the ids of its own."""
    commits = []

    def connect(path):
        db = files.connect_writer(path)
        db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        return db

    store = Rejections.open(path, connect=connect)
    commits.clear()
    answers = await asyncio.gather(*(store.record([replace(KNOWN, size=n)] * 2) for n in range(50)))
    assert len(commits) <= 3
    assert [[(await reader.get(one)).size for one in ids] for ids in answers] == [[n, n] for n in range(50)]
    await store.close()


async def test_failing_commit_keeps_and_counts_nothing(path, reader):
    """A commit that fails is `StoreUnavailable` for all who waited, and the next one is fine."""
    disk = Disk()
    store = Rejections.open(path, connect=disk.connect)
    await store.record([KNOWN])
    disk.fail_commit = True
    answers = await asyncio.gather(*(store.record([KNOWN]) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    disk.fail_commit, disk.broken = False, True
    with pytest.raises(StoreUnavailable, match="No space left"):
        await store.record([KNOWN])
    assert (await reader.counts()).known == Count(recorded=1, kept=1, size=COST)
    disk.broken = False
    await store.record([KNOWN])
    assert (await reader.counts()).known == Count(recorded=2, kept=2, size=2 * COST)
    await store.close()


async def test_full_queue_refuses(store, reader):
    """More unwritten bytes than the queue holds are `StoreBusy`, and not counted."""
    large = replace(KNOWN, body=bytes(MAX_QUEUE // 2))
    answers = await asyncio.gather(*(store.record([large]) for _ in range(2)), return_exceptions=True)
    assert isinstance(answers[1], StoreBusy)
    assert (await reader.counts()).known.recorded == 1


async def test_survives_a_crash(store, reader, path):
    """What was answered, and every count, is there after the writer was killed."""
    ids = await store.record([KNOWN, STRANGER])
    await store.remove(ids[:1])
    left = path.parent.with_name("left")
    shutil.copytree(path.parent, left, ignore=shutil.ignore_patterns("*-shm"))
    before = [await reader.newest(), await reader.counts()]
    again = Rejections.open(left / "rejections.db")
    survivor = RejectionsReader(left / "rejections.db")
    assert [await survivor.newest(), await survivor.counts()] == before
    assert (await again.record([KNOWN]))[0] > ids[1]
    await again.close()


async def test_can_be_read_when_nobody_writes(store, reader):
    """Closing twice does nothing more, and readers go on."""
    ids = await store.record([KNOWN])
    await store.close()
    await store.close()
    assert [one.id for one in await reader.newest()] == ids
    with pytest.raises(StoreUnavailable):
        await store.record([KNOWN])


async def test_files_are_private_and_locked(store, path):
    """Only their owner may read the files, and only one process may write them."""
    await store.record([KNOWN])
    assert {stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()} == {0o600}
    with pytest.raises(StoreLocked):
        Rejections.open(path)


async def test_refuses_a_newer_file(store, reader, path):
    """A file of a newer format is opened by neither side, and not held."""
    await store.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 3 WHERE key = 'format'")
    db.close()
    for _ in range(2):
        with pytest.raises(StoreVersion):
            Rejections.open(path)
    with pytest.raises(StoreVersion):
        await reader.newest()


@pytest.mark.parametrize("damage", [b"garbage" * 1000, None])
async def test_a_damaged_file_is_refused_until_it_is_put_back(store, reader, path, damage):
    """A file of another kind, or none of a database, is an error in words at every call, and heals when the right one
    is put back, with what was in it.
    """
    (kept,) = await store.record([KNOWN])
    await store.close()
    good = path.read_bytes()
    if damage is None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("UPDATE meta SET value = 'log' WHERE key = 'kind'")
    else:
        path.write_bytes(damage)
    opened = Rejections.open(path)
    for _ in range(2):
        assert "rejections.db" in opened.trouble
        assert not await opened.check()
        with pytest.raises(StoreUnavailable, match=r"rejections\.db"):
            await opened.record([KNOWN])
        with pytest.raises(StoreError, match=r"rejections\.db"):
            await reader.newest()
    path.with_name("good").write_bytes(good)
    path.with_name("good").replace(path)
    assert await opened.check()
    (another,) = await opened.record([KNOWN])
    assert {rejection.id for rejection in await reader.newest()} == {kept, another}
    await opened.close()
