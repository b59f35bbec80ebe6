"""The dedup tables: nothing forgotten, nothing kept for ever, and little memory."""

import sqlite3
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.log.base import Entry, Window
from postroad.log.embedded.codec import BlockCodec, Stamp
from postroad.log.embedded.dedup import Generation, HashWindow, tags_of
from postroad.log.embedded.digests import erased_key
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.receipts import all_new, sort_out
from postroad.log.embedded.segments import list_segments
from postroad.log.embedded.tables import owner_of
from postroad.testing.logs import entries

HASHES = st.sampled_from([0, 1, 1 << 31, 1 << 32, (1 << 32) + 1, (1 << 63) + 5, (1 << 64) - 1])


def array(values):
    """Return 64-bit unsigned integers as an array."""
    return np.array(values, np.uint64)


@given(stored=st.lists(HASHES, max_size=38), cuts=st.sets(st.integers(0, 38)), asked=st.lists(HASHES, max_size=20))
def test_a_table_finds_every_hash(stored, cuts, asked):
    """A table, filled in parts, names every offset of every hash, however many share a bucket."""
    table = Generation(64)
    assert table.capacity == 38
    edges = [0, *sorted(cut for cut in cuts if cut < len(stored)), len(stored)]
    for start, end in pairwise(edges):
        table.add(array(stored[start:end]), array(range(start, end)), at=start)
    found = set()
    hashes = array(asked)
    for indexes, offsets in table.find(hashes, tags_of(hashes)):
        found |= set(zip(indexes.tolist(), offsets.tolist(), strict=True))
    wanted = {(i, offset) for i, one in enumerate(asked) for offset, other in enumerate(stored) if one == other}
    assert wanted <= found
    close = {(i, o) for i, one in enumerate(asked) for o, other in enumerate(stored) if one >> 33 == other >> 33}
    assert found <= close
    assert table.count == len(stored)


def test_a_window_holds_what_was_promised():
    """The newest ids are always held, whatever the sizes of the tables; old tables are let go."""
    window = HashWindow(ids=1000, age=10**9, smallest=16, largest=256)
    hashes = np.random.default_rng(7).integers(0, 1 << 64, 20_000, np.uint64)
    for start in range(0, 20_000, 50):
        window.add(hashes[start : start + 50], np.arange(start, start + 50, dtype=np.uint64), at=start)
        held = dict(window.find(hashes[max(0, start - 950) : start + 50]).pairs)
        assert list(held.values()) == [max(0, start - 950) + i for i in held]
        assert len(held) == min(1000, start + 50)
        assert window.count < 1000 + 2 * 154
    assert not window.find(hashes[:1000]).pairs


def test_a_window_lets_go_of_what_is_old():
    """Tables whose ids are all too old are dropped when a new one begins, though there is room by count."""
    window = HashWindow(ids=10**6, age=100, smallest=16, largest=16)
    for turn in range(50):
        window.add(array(range(turn * 9, turn * 9 + 9)), array(range(9)), at=turn * 60)
    assert window.count == 18


def test_the_memory_of_a_million_ids():
    """A million ids in the window take at most 30 MiB, while they are added in small groups and at rest."""
    window = HashWindow(ids=1_000_000, age=10**9, smallest=1 << 18, largest=1 << 21)
    hashes = np.random.default_rng(3).integers(0, 1 << 64, 1_000_000, np.uint64)
    tracemalloc.start()
    base = tracemalloc.get_traced_memory()[0]
    for start in range(0, len(hashes), 1 << 16):
        part = hashes[start : start + (1 << 16)]
        window.add(part, np.arange(start, start + len(part), dtype=np.uint64), at=1)
    small = HashWindow(ids=8_000_000, age=10**9, smallest=1 << 18, largest=1 << 21)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert window.count == 1_000_000
    assert small.count == 0
    assert peak - base < 30 << 20


@pytest.mark.parametrize("ids", [1, 10, 100])
async def test_a_window_survives_its_tables(bench, ids):
    """After a restart the window holds exactly what it held before, whichever tables it was in."""
    options = LogOptions(disk_floor=0, window_ids=ids, table_slots=16)
    log = bench.open(options)
    for turn in range(0, 120, 3):
        await log.append(entries(*map(str, range(turn, turn + 3))))
    window = log.windows[0]
    await log.close()
    log = bench.open(options)
    assert log.windows[0] == window
    assert window.ids == ids - ids % 3
    asked = [str(turn) for turn in range(120)]
    receipt = await log.append(entries(*asked))
    assert sorted(receipt.duplicates) == list(range(120 - ids, 120))


async def test_the_window_of_a_restarted_log_ends_by_age(bench):
    """What has become too old while nobody ran is not loaded, and the rest is."""
    options = LogOptions(disk_floor=0, window_age=100.0)
    log = bench.open(options)
    await log.append(entries("a"))
    bench.clock.advance(60.0)
    at = bench.clock.now()
    await log.append(entries("b"))
    await log.close()
    bench.clock.advance(60.0)
    log = bench.open(options)
    assert log.windows[0] == Window(1, at)
    assert list((await log.append(entries("a", "b"))).duplicates) == [1]


def test_receipts_say_the_same_either_way():
    """A group without repeats is sorted out alike by the short way and the long one."""
    appends = [[Entry(b"a", b"1")], [], [Entry(b"b", b"2"), Entry(b"c", b"3")], [Entry(b"d", b"4")]]
    short, long = all_new(appends, 70), sort_out(appends, {}, 70)
    assert list(short.fresh) == list(long.fresh) == [0, 1, 2, 3]
    for one, other in zip(short.receipts, long.receipts, strict=True):
        assert list(one.offsets) == list(other.offsets)
        assert dict(one.duplicates) == dict(other.duplicates) == {}
    assert [list(receipt.offsets) for receipt in short.receipts] == [[70], [], [71, 72], [73]]


async def test_an_erased_event_is_still_a_duplicate(bench):
    """A record whose value is empty has a keyed digest in place of its key, by which what repeats it is recognised."""
    options = LogOptions(disk_floor=0)
    log = bench.open(options)
    first = await log.append(entries("a", "b"))
    await log.close()
    with sqlite3.connect(list_segments(bench.folder)[0].path) as db:
        identity, secret = (
            db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0] for key in ("identity", "secret")
        )
        at, ticks = db.execute("SELECT appended_at, ticks FROM block").fetchone()
        left = [Entry(erased_key(secret, b"a"), b""), *entries("b")]
        body = BlockCodec().pack(Stamp(owner_of(identity), 0, 2, at, ticks), left)
        db.execute("UPDATE block SET body = ?", (body,))
    db.close()
    log, reader = bench.open(options), bench.reader()
    again = await log.append(entries("a", "b", "c"))
    assert again.duplicates.keys() == {0, 1}
    assert again.duplicates[0] == (first.offsets[0], *left[0])
    assert again.duplicates[0].is_erased
    assert (await reader.get(first.offsets[0])).is_erased
    assert await reader.find(b"a") is None


async def test_the_hashes_of_two_logs_differ(tmp_path, bench):
    """Hashes are keyed with a secret of the log: who knows those of one can't make keys that collide in another."""
    hashes = []
    for name in "ab":
        bench.folder = tmp_path / name
        log = bench.open(LogOptions(disk_floor=0))
        await log.append(entries("x"))
        await log.close()
        with sqlite3.connect(list_segments(bench.folder)[0].path) as db:
            hashes.append(db.execute("SELECT hashes FROM block").fetchone()[0])
        db.close()
    assert hashes[0] != hashes[1]
