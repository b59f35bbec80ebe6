"""The embedded log does what a plain list does, through every fault that we can make."""

import asyncio
import shutil
import sqlite3
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from xxhash import xxh3_64_intdigest

from postroad.clock import MICROSECONDS, ManualClock
from postroad.errors import StoreUnavailable
from postroad.log.base import Entry, number_of
from postroad.log.embedded.ends import read_ends
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.reader import SqliteLogReader
from postroad.log.embedded.segments import list_segments, remove_segment
from postroad.testing.faults import FaultyDisk

KEYS = st.integers(0, 25).map(lambda name: f"key {name}".encode())
BATCHES = st.lists(KEYS, min_size=1, max_size=8)
AGE = 100
DAY = 86_400 * MICROSECONDS


class Stored(NamedTuple):
    """What the model knows of one record."""

    offset: int
    key: bytes
    value: bytes
    at: int
    ticks: int
    ordinal: int
    lost: bool = False


class LogMachine(RuleBasedStateMachine):
    """Runs the real log in a folder beside a list."""

    @initialize(
        segment_bytes=st.sampled_from([1, 17_100, 1 << 30]),
        window_ids=st.sampled_from([1, 7, 30, 1000]),
        table_slots=st.sampled_from([16, 64]),
        hashes=st.sampled_from([1, 3, 1 << 33, 1 << 64]),
    )
    def begin(self, segment_bytes, window_ids, table_slots, hashes):
        """Open an empty log; `hashes` is how many different hashes there are."""
        self.base = Path(tempfile.mkdtemp())
        self.folder = self.base / "0"
        self.clock = ManualClock()
        self.disk = FaultyDisk()
        self.options = LogOptions(
            window_age=AGE,
            window_ids=window_ids,
            segment_bytes=segment_bytes,
            segment_age=3 * AGE,
            disk_floor=0,
            table_slots=table_slots,
            candidates=1 << 20,
        )
        self.digest = lambda key, seed: xxh3_64_intdigest(key, seed) % hashes
        self.runner = asyncio.Runner()
        self.values = 0
        self.kept = []
        self.appended = 0
        self.duplicates = 0
        self.next = 0
        self.open()

    def open(self):
        """Open writer and reader on the folder of the moment. The log's own time goes on from the last mark."""
        now = self.clock.now()
        ticks, at = self.mark() or (now, now)
        self.own = (ticks + min(max(0, now - at), DAY), self.clock.monotonic())
        self.log = SqliteLog.open(self.folder, self.clock, self.options, connect=self.disk, digest=self.digest)
        self.reader = SqliteLogReader(self.folder, self.clock, digest=self.digest)

    def close(self):
        """Close them."""
        self.runner.run(self.log.close())
        self.runner.run(self.reader.close())

    def ticks(self):
        """Return the log's own time."""
        ticks, began = self.own
        return ticks + round((self.clock.monotonic() - began) * MICROSECONDS)

    def mark(self):
        """Return the own time as it is on disk, and the machine's time of that moment."""
        ends, last = read_ends(self.folder), self.kept[-1:]
        if ends is not None and all(record.ticks <= ends.ticks for record in last):
            return ends.ticks, ends.at
        return (last[0].ticks, last[0].at) if last else None

    def entries(self, keys):
        """Return entries with values of their own."""
        self.values += len(keys)
        return [Entry(key, f"{self.values} {index}".encode()) for index, key in enumerate(keys)]

    def expect(self, entries):
        """Return what each entry should repeat (None: it is new), and the records that should be stored."""
        now, ticks = self.clock.now(), self.ticks()
        known = {
            record.key: record
            for record in self.kept
            if record.ticks >= ticks - AGE * MICROSECONDS
            and record.ordinal >= self.appended - self.options.window_ids
            and not record.lost
        }
        repeats, fresh = [], []
        for entry in entries:
            repeats.append(known.get(entry.key))
            if entry.key not in known:
                known[entry.key] = Stored(-1, entry.key, entry.value, now, ticks, self.appended + len(fresh))
                fresh.append(known[entry.key])
        return repeats, fresh

    def keep(self, fresh, start):
        """Note that records were stored from offset `start` on."""
        assert start >= self.next
        self.kept += [record._replace(offset=start + index) for index, record in enumerate(fresh)]
        self.next = start + len(fresh)
        self.appended += len(fresh)

    @rule(batches=st.lists(BATCHES, min_size=1, max_size=4))
    def append(self, batches):
        """Appends of one turn of the loop are one block; each is answered for its own entries."""
        batches = [self.entries(keys) for keys in batches]
        repeats, fresh = self.expect([entry for batch in batches for entry in batch])
        receipts = self.answers(batches)
        offsets = [offset for receipt in receipts for offset in receipt.offsets]
        if fresh:
            self.keep(fresh, next(offset for offset, repeat in zip(offsets, repeats, strict=True) if repeat is None))
        places = {(record.key, record.value): record.offset for record in self.kept}
        answered = iter(repeats)
        for batch, receipt in zip(batches, receipts, strict=True):
            for index, entry in enumerate(batch):
                repeat = next(answered)
                stored = entry if repeat is None else repeat
                place = places[stored.key, stored.value]
                assert receipt.offsets[index] == place
                assert receipt.duplicates.get(index) == (repeat and (place, repeat.key, repeat.value))
        self.duplicates += len(repeats) - len(fresh)

    @rule(keys=BATCHES, more=BATCHES, fault=st.sampled_from(["lost", "kept"]))
    def append_to_a_failing_disk(self, keys, more, fault):
        """A commit that fails is an error for all of its block, and what is on disk decides what it left."""
        batches = [self.entries(keys), self.entries(more)]
        repeats, fresh = self.expect(batches[0] + batches[1])
        self.disk.next_commit = fault
        assert self.answers(batches) == ["unavailable", "unavailable"]
        assert not self.log.healthy
        state = self.runner.run(self.reader.state())
        # The fault may have hit the beginning of a segment: then nothing came of the block.
        if (state.appended, state.duplicates) != (self.appended, self.duplicates):
            assert fault == "kept"
            self.duplicates += len(repeats) - len(fresh)
            if fresh:
                self.keep(fresh, self.runner.run(self.reader.read(self.next, 1 << 30))[-1].start)

    @rule(keys=BATCHES)
    def append_to_a_broken_disk(self, keys):
        """While the disk is gone everything fails, and nothing is kept."""
        self.disk.broken = True
        assert self.answers([self.entries(keys), self.entries(keys)]) == ["unavailable", "unavailable"]
        assert self.answers([self.entries(keys)]) == ["unavailable"]
        assert not self.runner.run(self.log.check())
        self.disk.broken = False

    @rule()
    def heal(self):
        """A disk that works again is found out."""
        assert self.runner.run(self.log.check())

    @rule(seconds=st.sampled_from([0.5, AGE / 2, AGE]))
    def pass_time(self, seconds):
        """Time goes on."""
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-AGE / 4, AGE / 2, -1e8, 1e8]))
    def set_the_clock(self, seconds):
        """The machine's clock is set back or forward."""
        self.clock.step(seconds)

    @rule()
    def record_end(self):
        """What is written down about the ends is true at that moment."""
        assert self.runner.run(self.log.check())
        self.runner.run(self.log.record_end())
        ends = self.runner.run(self.reader.ends())
        assert (ends.appended, ends.duplicates) == (self.appended, self.duplicates)
        assert (ends.retired, ends.ticks) <= (self.appended - len(self.kept), self.ticks())

    @rule()
    def restart(self):
        """An orderly restart."""
        self.close()
        self.open()

    @precondition(lambda self: any(not record.lost for record in self.kept))
    @rule(part=st.floats(0, 1), how=st.sampled_from(["body", "row", "segment"]))
    def lose(self, part, how):
        """A block, a row or a whole segment is damaged while nobody runs: it is lost, and nothing else is."""
        assert self.runner.run(self.log.check())
        self.close()
        readable = [record for record in self.kept if not record.lost]
        number = number_of(readable[round(part * (len(readable) - 1))].offset)
        segments = list_segments(self.folder)
        place = max(i for i, segment in enumerate(segments) if segment.first <= number)
        first, end = number, number + 1
        if how == "segment":
            first = segments[place].first
            end = segments[place + 1].first if place + 1 < len(segments) else 1 << 60
            remove_segment(segments[place])
        else:
            change = "UPDATE block SET body = zeroblob(9)" if how == "body" else "DELETE FROM block"
            with sqlite3.connect(segments[place].path) as db:
                db.execute(f"{change} WHERE number = ?", (number,))
            db.close()
        self.kept = [
            record._replace(lost=record.lost or first <= number_of(record.offset) < end) for record in self.kept
        ]
        self.open()

    @rule()
    def crash(self):
        """The files as they are at this moment are all that is left, also of what is written down."""
        left = self.base / f"{int(self.folder.name) + 1}"
        shutil.copytree(self.folder, left)
        self.close()
        shutil.rmtree(self.folder)
        self.folder = left
        self.open()

    @precondition(lambda self: self.kept)
    @rule(part=st.floats(0, 1), age=st.sampled_from([0.0, AGE / 2, 2 * AGE]))
    def retire(self, part, age):
        """Retention takes a first part of the log, and nothing that it must leave."""
        before = self.kept[round(part * (len(self.kept) - 1))].offset
        gone = self.runner.run(self.log.retire(before, age))
        retired, self.kept = self.kept[:gone], self.kept[gone:]
        assert self.kept
        oldest = self.ticks() - age * MICROSECONDS
        assert all(record.offset < before and record.ticks < oldest for record in retired)
        assert not retired or number_of(retired[-1].offset) < number_of(self.kept[0].offset)

    def answers(self, batches):
        """Append batches in one turn of the loop; an append that can't be stored answers "unavailable"."""

        async def append(batch):
            try:
                return await self.log.append(batch)
            except StoreUnavailable:
                return "unavailable"

        async def append_all():
            return await asyncio.gather(*map(append, batches))

        return self.runner.run(append_all())

    @invariant()
    def the_reader_agrees(self):
        """A reader sees the records of the list, and the same figures."""
        self.runner.run(self.compare())

    async def compare(self):
        """Compare everything that the reader says with the list."""
        blocks = await self.reader.read(0, 1 << 30)
        found = [(*record, block.appended_at) for block in blocks for record in block.records]
        readable = [record for record in self.kept if not record.lost]
        assert found == [record[:4] for record in readable]
        assert sum(block.lost for block in blocks) == len(self.kept) - len(readable)
        assert all(one.end <= other.start and not (one.lost and other.lost) for one, other in pairwise(blocks))
        assert all(record.offset == block.start + i for block in blocks for i, record in enumerate(block.records))
        for record in self.kept:
            if record.lost:
                assert any(block.lost and block.start <= record.offset < block.end for block in blocks)
        state = await self.reader.state()
        figures = (state.appended, state.duplicates, state.kept)
        assert figures == (self.appended, self.duplicates, len(self.kept)), figures
        assert await self.reader.count_from(0) == len(self.kept)
        if readable:
            record = readable[self.values % len(readable)]
            assert await self.reader.get(record.offset) == record[:3]
            assert await self.reader.find(record.key) == [r[:3] for r in readable if r.key == record.key][-1]
            assert await self.reader.first() <= self.kept[0].offset
            assert number_of(await self.reader.end()) > number_of(self.kept[-1].offset)
            assert not await self.reader.read(await self.reader.end(), 1)

    def teardown(self):
        """Leave nothing behind."""
        if hasattr(self, "log"):
            self.close()
            self.runner.close()
            shutil.rmtree(self.base)


TestLogModel = LogMachine.TestCase
TestLogModel.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
