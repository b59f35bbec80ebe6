"""A log of several segments, and what can happen to its files while nobody runs."""

import random
import shutil

from postroad.log.base import Entry, Record, number_of
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.segments import list_segments

SEGMENTS = LogOptions(disk_floor=0, segment_bytes=40_000)
PAGE = 4096


async def fill(bench, turns=40):
    """Fill a log with blocks of several sizes, leave it as a crash would, and return its records."""
    log, seeded, sent = bench.open(SEGMENTS), random.Random(1), []
    for turn in range(turns):
        values = [seeded.randbytes(seeded.choice([30, 300, 3000])) for _ in range(seeded.randint(1, 5))]
        entries = [Entry(b"key %d %d" % (turn, place), value) for place, value in enumerate(values)]
        offsets = (await log.append(entries)).offsets
        sent += [Record(offset, *entry) for offset, entry in zip(offsets, entries, strict=True)]
    await log.record_end()
    left = bench.folder.with_name("left")
    shutil.copytree(bench.folder, left, ignore=shutil.ignore_patterns("*-shm"))
    await log.close()
    bench.folder = left
    assert len(list_segments(left)) > 4
    return sent


def held(sent, segments, place):
    """Return the records of one segment; `place` counts from 0, or from the end."""
    first = segments[place].first
    following = segments[place + 1].first if place + 1 < len(segments) and place != -1 else 1 << 60
    return [record for record in sent if first <= number_of(record.offset) < following]


def remove(path, _seeded):
    """The file is gone, its write-ahead log too."""
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()


def forget_the_tail(path, _seeded):
    """The write-ahead log is gone."""
    path.with_name(f"{path.name}-wal").unlink()


def flip(path, seeded):
    """One bit, anywhere."""
    data = bytearray(path.read_bytes())
    data[seeded.randrange(len(data))] ^= 1 << seeded.randrange(8)
    path.write_bytes(data)


def spoil_the_header(path, seeded):
    """SQLite's own header."""
    path.write_bytes(seeded.randbytes(100) + path.read_bytes()[100:])


def spoil_a_page(path, seeded):
    """One page, anywhere, full of something else."""
    data = bytearray(path.read_bytes())
    start = seeded.randrange(len(data) // PAGE) * PAGE
    data[start : start + PAGE] = seeded.choice([bytes(PAGE), seeded.randbytes(PAGE)])
    path.write_bytes(data)


def cut_short(path, seeded):
    """The end of the file is missing."""
    data = path.read_bytes()
    path.write_bytes(data[: seeded.randrange(len(data))])


def fill_with_garbage(path, seeded):
    """The size is right, and nothing else."""
    path.write_bytes(seeded.randbytes(path.stat().st_size))
