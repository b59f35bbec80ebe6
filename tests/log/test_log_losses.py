"""Whatever happens to the files of a log: what can be read is read, the rest is counted, and appends go on above."""

import random
import sqlite3
from itertools import pairwise

import harm
import pytest

from postroad.errors import StoreUnavailable
from postroad.log.base import MARGIN, Entry, number_of
from postroad.log.embedded.codec import BlockCodec, Stamp
from postroad.log.embedded.segments import list_segments

SEEDS = range(6)
LOST_WHOLE = [harm.remove, harm.spoil_the_header, harm.fill_with_garbage]
LOST_IN_PART = [harm.flip, harm.spoil_a_page, harm.cut_short]
NEWEST = -1


async def read(bench):
    """Return the records there are and how many are told to be lost, from a reader that has seen nothing yet."""
    reader, start, blocks = bench.reader(), 0, []
    while found := await reader.read(start, 1 << 16):
        blocks += found
        start = found[-1].end
    assert all(one.end <= other.start for one, other in pairwise(blocks))
    assert start == 0 or not await reader.read(await reader.end(), 1)
    return [record for block in blocks for record in block.records], sum(block.lost for block in blocks)


async def goes_on(bench, sent, lost):
    """Open the writer, append, and see that nothing but the new event has changed, and no number was used twice."""
    log, new = bench.open(harm.SEGMENTS), [Entry(b"new", b"value")]
    try:
        receipt = await log.append(new)
    except StoreUnavailable:  # it has met the damage; the next one goes around it
        receipt = await log.append(new)
    (offset,) = receipt.offsets
    assert number_of(offset) > number_of(sent[-1].offset)
    kept, gone = await read(bench)
    assert gone == lost
    assert kept[-1] == (offset, b"new", b"value")
    assert (await bench.reader().state()).appended == len(sent) + 1
    again = await log.append([Entry(record.key, record.value) for record in kept[:-1]])
    assert list(again.duplicates.values()) == kept[:-1]
    return log


@pytest.mark.parametrize("place", [0, 2, NEWEST])
@pytest.mark.parametrize("how", LOST_WHOLE)
async def test_a_segment_that_is_lost(bench, how, place):
    """A segment that is gone, or that nobody can read, at the beginning, in the middle or at the end, costs its own
    events and no others.
    """
    sent = await harm.fill(bench)
    segments = list_segments(bench.folder)
    gone = harm.held(sent, segments, place)
    for wal in bench.folder.glob(f"{segments[place].path.name}-wal"):
        wal.unlink()
    how(segments[place].path, random.Random(place))
    assert await read(bench) == ([record for record in sent if record not in gone], len(gone))
    await goes_on(bench, sent, len(gone))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("place", [0, 2, NEWEST])
@pytest.mark.parametrize("how", LOST_IN_PART)
async def test_a_segment_that_is_damaged_somewhere(bench, how, place, seed):
    """Damage anywhere in a segment costs events of that segment only; all that are read are as they were, and the
    rest is counted.
    """
    sent = await harm.fill(bench)
    segments = list_segments(bench.folder)
    at_risk = harm.held(sent, segments, place)
    await bench.open(harm.SEGMENTS).close()  # moves the write-ahead log into the file
    how(segments[place].path, random.Random(seed))
    kept, lost = await read(bench)
    assert [record for record in sent if record in kept] == kept
    assert len(kept) + lost == len(sent)
    assert all(record in kept for record in sent if record not in at_risk)
    await goes_on(bench, sent, lost)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_bad_page_costs_few_blocks(bench, seed):
    """A page of the rows themselves costs the blocks that lie on it, not the segment around them."""
    sent = await harm.fill(bench)
    segment = list_segments(bench.folder)[1]
    data = bytearray(segment.path.read_bytes())
    leaves = [start for start in range(2 * harm.PAGE, len(data), harm.PAGE) if data[start] == 13]
    start = random.Random(seed).choice(leaves)
    data[start : start + harm.PAGE] = bytes(harm.PAGE)
    segment.path.write_bytes(data)
    kept, lost = await read(bench)
    assert len(kept) + lost == len(sent)
    assert lost < len(harm.held(sent, list_segments(bench.folder), 1))


@pytest.mark.parametrize("part", ["rows", "write-ahead log"])
async def test_an_end_that_is_cut_off(bench, part):
    """Blocks that are gone from the end are missed by what was written down; the log goes on far above, in another
    epoch.
    """
    sent = await harm.fill(bench)
    newest = list_segments(bench.folder)[-1].path
    if part == "write-ahead log":
        harm.forget_the_tail(newest, None)
    else:
        with sqlite3.connect(newest) as db:
            db.execute("DELETE FROM block WHERE number >= (SELECT max(number) - 1 FROM block)")
        db.close()
    kept, lost = await read(bench)
    assert kept == sent[: len(kept)]
    assert lost == len(sent) - len(kept) > 0
    log = await goes_on(bench, sent, lost)
    reader = bench.reader()
    assert (await reader.identity())[1] == 2
    assert number_of(await reader.end()) > number_of(sent[-1].offset) + MARGIN
    await log.close()
    await bench.open(harm.SEGMENTS).close()
    assert (await bench.reader().identity())[1] == 2, "what was made good once is made good"


@pytest.mark.parametrize("left", ["nothing", "garbage", "another log's"])
async def test_what_is_written_down_is_lost_too(bench, left):
    """Without what was written down of the ends all that is between them is still known, and it is written anew."""
    sent = await harm.fill(bench)
    ends, segments = bench.folder / "ends.json", list_segments(bench.folder)
    gone = harm.held(sent, segments, 1)
    harm.remove(segments[1].path, None)
    text = ends.read_text()
    if left == "nothing":
        ends.unlink()
    else:
        ends.write_text("{}" if left == "garbage" else text.replace('"appended":1', '"appended":9'))
    reader = bench.reader()
    assert await reader.ends() is None
    assert await read(bench) == ([record for record in sent if record not in gone], len(gone))
    await goes_on(bench, sent, len(gone))
    assert (await reader.ends()).identity == (await reader.identity())[0]
    assert (await reader.identity())[1] == 1


async def test_a_block_in_the_place_of_another(bench):
    """A body that belongs to another block, or to another log, is not taken for this one's."""
    sent = await harm.fill(bench)
    segment = list_segments(bench.folder)[1]
    with sqlite3.connect(segment.path) as db:
        rows = db.execute("SELECT number, count, appended FROM block ORDER BY number").fetchall()
        (number, count, appended), (other, *_) = rows[1], rows[2]
        db.execute(
            "UPDATE block SET body = (SELECT body FROM block WHERE number = ?) WHERE number = ?", (other, number)
        )
        foreign = BlockCodec().pack(Stamp(b"somebody", rows[4][0], rows[4][2], 1, 1), [Entry(b"k", b"v")])
        db.execute("UPDATE block SET body = ? WHERE number = ?", (foreign, rows[4][0]))
    db.close()
    kept, lost = await read(bench)
    assert lost == count + rows[4][1]
    assert appended > 0
    assert [record for record in sent if number_of(record.offset) not in {number, rows[4][0]}] == kept


async def test_figures_of_a_row_that_changed(bench):
    """What a block says of itself inside counts, not what its row says: a flipped counter raises no alarm."""
    sent = await harm.fill(bench)
    with sqlite3.connect(list_segments(bench.folder)[1].path) as db:
        number = db.execute("SELECT min(number) + 1 FROM block").fetchone()[0]
        db.execute(
            "UPDATE block SET appended = appended + 4096, appended_at = 5, count = 1 WHERE number = ?", (number,)
        )
    db.close()
    assert await read(bench) == (sent, 0)


async def test_damage_is_retired(bench):
    """A segment that nobody can read goes with retention, by what the next one says of its age."""
    sent = await harm.fill(bench)
    segments = list_segments(bench.folder)
    harm.fill_with_garbage(segments[0].path, random.Random(1))
    log = bench.open(harm.SEGMENTS)
    bench.clock.advance(100.0)
    assert await log.retire(segments[1].first << 16, 200.0) == 0
    assert await log.retire((segments[1].first << 16) - 1, 50.0) == 0
    assert await log.retire(segments[1].first << 16, 50.0) == len(harm.held(sent, segments, 0))
    assert not segments[0].path.exists()
    kept, lost = await read(bench)
    assert (kept[0].offset >> 16, lost) == (segments[1].first, 0)
