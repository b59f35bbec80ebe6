"""Keys that share a hash: whoever could make them would still hold up nobody, and lose nobody an event."""

from time import process_time

import numpy as np

from postroad.log.embedded.dedup import CANDIDATES, REACH, HashWindow
from postroad.log.embedded.options import LogOptions
from postroad.testing.logs import entries, read_all

ONE_FILE = LogOptions(disk_floor=0)


def names(start, end):
    """Return keys with numbers."""
    return [f"k{number}" for number in range(start, end)]


async def test_the_newest_of_one_hash_are_recognised_and_the_others_stored_again(bench):
    """However many keys share a hash, an append stores what it doesn't find, says which it is, and counts it."""
    log = bench.open(ONE_FILE, digest=lambda *_: 5)
    await log.append(entries(*names(0, 20)))
    assert log.windows[0].crowded == 0
    again = await log.append(entries(*names(0, 20)))
    assert sorted(again.duplicates) == list(range(20 - CANDIDATES, 20))
    assert log.windows[0].crowded == 20 - CANDIDATES
    stored = {record.offset: record.key.decode() for record in await read_all(bench.reader())}
    assert [stored[offset] for offset in again.offsets] == names(0, 20)
    assert len(stored) == 40 - CANDIDATES


async def test_what_finds_no_room_in_the_table_is_stored_and_counted(bench):
    """Far more keys of one hash than a table has room for: every one is stored, and no other key is lost."""
    log = bench.open(ONE_FILE, digest=lambda key, _: 5 if key.startswith(b"k") else 1 << 40)
    await log.append(entries("other"))
    many = REACH * 16 + 1000
    receipt = await log.append(entries(*names(0, many)))
    assert (len(set(receipt.offsets)), dict(receipt.duplicates)) == (many, {})
    assert log.windows[0].crowded >= 1000
    assert list((await log.append(entries("other"))).duplicates) == [0]


def test_a_look_up_costs_the_same_whatever_is_stored():
    """20,000 look-ups among 50,000 ids of one hash give a few candidates each, in a blink."""
    window = HashWindow(ids=1_000_000, age=10**9, smallest=1 << 18, largest=1 << 18)
    window.add(np.full(50_000, 5, np.uint64), np.arange(50_000, dtype=np.uint64), at=1)
    began = process_time()
    found = window.find(np.full(20_000, 5, np.uint64))
    assert process_time() - began < 5
    assert len(found.pairs) == 20_000 * CANDIDATES
    assert found.cut == set(range(20_000))
    assert window.unplaced == 50_000 - REACH * 16


def test_an_id_that_comes_again_after_each_window_is_found():
    """One id, sent again each time that it is forgotten, for months: the tables keep few of it, the last among them."""
    window = HashWindow(ids=1_000_000, age=100, smallest=1 << 10, largest=1 << 12)
    one = np.full(1, 7, np.uint64)
    for turn in range(2_000):
        window.add(one, np.full(1, turn, np.uint64), at=turn * 101)
        assert (0, turn) in window.find(one).pairs
    assert (window.unplaced, window.count < 4) == (0, True)


def test_an_id_that_comes_again_in_a_window_of_few_ids_is_found():
    """The same where the window ends by count: 3 ids in turn, where only the last one is remembered."""
    window = HashWindow(ids=1, age=10**12, smallest=1 << 10, largest=1 << 12)
    for turn in range(6_000):
        window.add(np.full(1, turn % 3, np.uint64), np.full(1, turn, np.uint64), at=turn)
        assert (0, turn) in window.find(np.full(1, turn % 3, np.uint64)).pairs
    assert window.unplaced == 0


def test_evenly_spread_hashes_never_meet_the_bounds():
    """A table filled to the end with hashes that nobody chose leaves none out."""
    hashes = np.random.default_rng(5).integers(0, 1 << 64, 150_000, np.uint64)
    window = HashWindow(ids=1_000_000, age=10**9, smallest=1 << 18, largest=1 << 18)
    window.add(hashes, np.arange(len(hashes), dtype=np.uint64), at=1)
    found = window.find(hashes)
    assert (window.unplaced, found.cut) == (0, set())
    assert set(found.pairs) >= {(index, index) for index in range(len(hashes))}
