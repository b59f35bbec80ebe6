"""A block that rotted on disk: named, kept apart, and repaired by what comes again."""

import sqlite3

import pytest

from postroad.log.base import Entry
from postroad.log.embedded.codec import BlockCodec, Stamp
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.reader import SqliteLogReader
from postroad.log.embedded.segments import list_segments
from postroad.testing.logs import entries, read_all

ONE_FILE = LogOptions(disk_floor=0)
STAMP = Stamp(owner=b"somebody", number=1, appended=4, appended_at=1, ticks=1)


async def damage(bench, number, body):
    """Overwrite the stored bytes of one block."""
    path = list_segments(bench.folder)[0].path
    with sqlite3.connect(path) as db:
        db.execute("UPDATE block SET body = ? WHERE number = ?", (body, number))
    db.close()
    return path


async def three_blocks(bench):
    """Store three blocks, close the log, and return the second block's bytes."""
    log = bench.open(ONE_FILE)
    for name in "abc":
        await log.append(entries(name, name + name))
    await log.close()
    with sqlite3.connect(list_segments(bench.folder)[0].path) as db:
        ((body,),) = db.execute("SELECT body FROM block WHERE number = 1")
    db.close()
    return body


@pytest.mark.parametrize("change", ["cut", "flipped", "another block's", "another log's", "empty"])
async def test_a_damaged_block_is_named(bench, change):
    """A damaged block is told of once, with file, block and count; the blocks before and after it can be read."""
    body = await three_blocks(bench)
    body = {
        "cut": body[:-5],
        "flipped": body[:30] + bytes([body[30] ^ 4]) + body[31:],
        "another block's": BlockCodec().pack(STAMP._replace(number=2), entries("x")),
        "another log's": BlockCodec().pack(STAMP, entries("x")),
        "empty": b"",
    }[change]
    path = await damage(bench, 1, body)
    told = []
    reader = SqliteLogReader(bench.folder, bench.clock, tell=lambda block, why: told.append((block, why)))
    for _ in range(2):
        first, gap, third = await reader.read(0, 1 << 20)
        assert [record.key for record in first.records] == [b"a", b"aa"]
        assert (gap.number, gap.lost, gap.until) == (1, 2, 2)
        assert [record.key for record in third.records] == [b"c", b"cc"]
    await reader.close()
    ((block, why),) = told
    assert block == gap
    assert why.startswith(f"{path}: block 1 is damaged")


async def test_what_repeats_a_damaged_block_is_stored(bench):
    """An event whose stored copy can't be read any more is stored again: nothing is lost that comes twice."""
    body = await three_blocks(bench)
    await damage(bench, 1, body[:-5])
    log = bench.open(ONE_FILE)
    again = await log.append(entries("a", "b"))
    assert list(again.duplicates) == [0]
    assert (await bench.reader().get(again.offsets[1])).value == b"the value of b"
    assert (await log.append(entries("b"))).duplicates


def test_the_codec_keeps_bytes():
    """Keys and values of any bytes and sizes come back as they were."""
    codec = BlockCodec()
    for kept in ([], [Entry(b"", b"")], [Entry(bytes(range(256)), b"\0" * 70_000), Entry(b"k", b""), Entry(b"", b"v")]):
        stamp, records = codec.unpack(STAMP.owner, 1, codec.pack(STAMP, kept))
        assert stamp == STAMP
        assert [(record.key, record.value) for record in records] == kept
        assert [record.offset for record in records] == [65536 + i for i in range(len(kept))]


async def test_collisions_are_no_duplicates(bench):
    """Keys with one and the same hash are told apart."""
    log = bench.open(ONE_FILE, digest=lambda *_: 5)
    receipts = [await log.append(entries(*names)) for names in ("abc", "de", "xaey")]
    assert [list(receipt.duplicates) for receipt in receipts] == [[], [], [1, 2]]
    assert [record.key for record in await read_all(bench.reader())] == [b"a", b"b", b"c", b"d", b"e", b"x", b"y"]
