"""The two dedup windows in the files: which record is of which, and what an earlier format and damage leave of it."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.log.embedded import which
from postroad.log.embedded.hashes import wrong_hashes
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.segments import list_segments
from postroad.testing.logs import entries, read_all

OPTIONS = LogOptions(disk_floor=0, window_ids=4)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_bits(others):
    """The bits of a block's row say of each record what they were made of."""
    packed = which.pack_which(np.array(others))
    assert which.fits(packed, len(others))
    assert which.unpack_which(packed, len(others)).tolist() == others
    assert [which.is_other(packed, position) for position in range(len(others))] == others
    assert [which.others_before(packed, place) for place in range(len(others))] == [
        sum(others[:place]) for place in range(len(others))
    ]


@pytest.mark.parametrize("segment_bytes", [1, 1 << 30])
async def test_across_segments(bench, segment_bytes):
    """A window reaches over any number of segments that have nothing of it, after restarts and retention, too."""
    options = OPTIONS._replace(segment_bytes=segment_bytes)
    log = bench.open(options)
    await log.append(entries("a", "b"))
    for turn in range(20):
        bench.clock.advance(1)
        await log.append(entries(f"{turn}"), 1)
    for _ in range(3):
        await log.close()
        log = bench.open(options)
        assert [window.ids for window in log.windows] == [2, 4]
        assert list((await log.append(entries("a", "b", "19"))).duplicates) == [0, 1, 2]
        await log.append(entries("x"), 1)  # it is there from the first round on
    await log.retire(await bench.reader().end(), 0)
    assert [window.ids for window in log.windows] == ([0, 2] if segment_bytes == 1 else [2, 4])
    assert not list(wrong_hashes(bench.folder))


async def test_a_log_of_format_2(bench):
    """All that a log of format 2 holds is of the first window, and it goes on in a segment of today's."""
    log = bench.open(OPTIONS)
    await log.append(entries("a", "b", "c"))
    await log.append(entries("d"))
    await log.close()
    with closing(sqlite3.connect(list_segments(bench.folder)[0].path)) as db, db:
        db.execute("DROP INDEX block_others")
        db.execute("ALTER TABLE block DROP COLUMN others")
        db.execute("ALTER TABLE block DROP COLUMN which")
        db.execute("DELETE FROM meta WHERE key = 'others'")
        db.execute("UPDATE meta SET value = 2 WHERE key = 'format'")
    for _ in range(2):
        log = bench.open(OPTIONS._replace(window_ids=8))
        for turn in range(3):
            await log.append(entries("one", "two", f"more {turn}"), 1)
        assert len(list_segments(bench.folder)) == 2
        assert [window.ids for window in log.windows] == [4, 5]
        assert len((await log.append(entries("a", "b", "c", "d"))).duplicates) == 4
        assert len(await read_all(bench.reader())) == 9
        await log.close()


@pytest.mark.parametrize("harm", ["which = x'ff00ff00'", "which = 'text'", "others = 'text'"])
async def test_damage(bench, harm):
    """A row whose windows are damaged loses nothing but what is known of repeats."""
    log = bench.open(OPTIONS)
    await log.append(entries("a"))
    await log.append(entries("b"), 1)
    await log.append(entries("c"), 1)
    await log.close()
    with closing(sqlite3.connect(list_segments(bench.folder)[0].path)) as db, db:
        db.execute(f"UPDATE block SET {harm} WHERE number = 1")  # noqa: S608 - ours
    log = bench.open(OPTIONS)
    again = await log.append(entries("a", "c", "d"))
    assert list(again.duplicates) == [0, 1]
    assert {record.key for record in await read_all(bench.reader())} >= {b"a", b"b", b"c", b"d"}
