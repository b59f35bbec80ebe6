"""The dedup window's memory: which 64-bit hash was stored at which offset. Derived data, rebuilt from the log.

A `Generation` is one hash table of fixed size in numpy; it is filled, sealed and dropped whole, so nothing
is ever moved or deleted inside. `HashWindow` is the row of generations that are still wanted. Both answer
with candidates: a table keeps 32 bits of each hash, and the caller compares the stored key.

What one look-up may cost is bounded whatever the hashes are: an id stands at most `REACH` buckets behind its own, and
of one id the newest `CANDIDATES` are looked at. With a hash that nobody can steer neither bound is ever met; beyond
them an id counts as new, and is stored once more.

About 20 bytes an id: 4 of hash and 8 of offset in a table filled to three fifths.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Uint64s = NDArray[np.uint64]
Tags = NDArray[np.uint32]
Ints = NDArray[np.int64]

_WIDTH = 16  # slots of a bucket: 16 tags of 4 bytes are one cache line
_FILL = 0.6  # fuller tables overflow buckets more often, emptier ones cost memory
_LOOKUP = 4096  # ids looked up at once: what is gathered for them stays in the processor's cache
_HALF = np.uint64(32)

REACH: Final = 16
"""Buckets in which an id may stand: its own and those behind it. Of hashes that are evenly spread, in the largest table
filled to the end, the farthest stands 5 behind its own.
"""

CANDIDATES: Final = 8
"""Candidates of one id, the newest: of an id that was stored several times only the newest counts, and hardly any is
ever taken for another one.
"""

_LEAST: Final = 128


class Candidates(NamedTuple):
    """What a look-up found: pairs of an index into the hashes and an offset where that hash may be stored; and the
    indexes of those that had more than are looked at.
    """

    pairs: list[tuple[int, int]]
    cut: set[int]


class Generation:
    """A hash table with room for `capacity` ids; `slots` is a power of two, 16 or more.

    A bucket that is full sends what comes next to the bucket after it, but no farther than `REACH` buckets.
    `unplaced` ids found no room there, and will not be found.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.capacity = int(slots * _FILL)
        self.count = 0
        self.unplaced = 0
        self.first_at = 0
        self.last_at = 0
        buckets = slots // _WIDTH
        self._mask = np.int64(buckets - 1)
        self._tags = np.zeros((buckets, _WIDTH), np.uint32)
        self._offsets = np.zeros((buckets, _WIDTH), np.uint64)
        self._fill = np.zeros(buckets, np.uint8)

    def add(self, hashes: Uint64s, offsets: Uint64s, at: int) -> None:
        """Remember ids stored at `at` (microseconds); there must be room for them."""
        self.first_at = self.first_at if self.count else at
        self.count += len(hashes)
        self.last_at = max(self.last_at, at)
        tags = tags_of(hashes)
        buckets = hashes.view(np.int64) & self._mask
        for _ in range(REACH):
            if not buckets.size:
                return
            order = buckets.argsort(kind="stable")
            buckets, tags, offsets = buckets[order], tags[order], offsets[order]
            rank = np.arange(buckets.size) - buckets.searchsorted(buckets)
            slots = self._fill[buckets] + rank
            fits = slots < _WIDTH
            into, slot = buckets[fits], slots[fits]
            self._tags[into, slot] = tags[fits]
            self._offsets[into, slot] = offsets[fits]
            self._fill[into] = slot + 1  # of equal buckets the last one counts, and slots ascend
            rest = ~fits
            buckets, tags, offsets = (buckets[rest] + 1) & self._mask, tags[rest], offsets[rest]
        self.unplaced += buckets.size

    def find(self, hashes: Uint64s, tags: Tags) -> Iterator[tuple[Ints, Uint64s]]:
        """Yield candidates: indexes into `hashes`, and for each an offset where that hash may be stored."""
        buckets = hashes.view(np.int64) & self._mask
        tags = tags[:, None]
        indexes: Ints | None = None
        for _ in range(REACH):
            if not buckets.size:
                return
            # take() gathers rows four times as fast as indexing does.
            hits = (self._tags.take(buckets, axis=0) == tags).ravel().nonzero()[0]
            if hits.size:
                row, slot = np.divmod(hits, _WIDTH)
                yield row if indexes is None else indexes[row], self._offsets[buckets[row], slot]
            full = (self._fill.take(buckets) == _WIDTH).nonzero()[0]
            indexes = full if indexes is None else indexes[full]
            buckets, tags = (buckets[full] + 1) & self._mask, tags[full]


def tags_of(hashes: Uint64s) -> Tags:
    """Return what a table keeps of each hash: its upper half, and 1 for 0, which marks an empty slot."""
    tags = (hashes >> _HALF).astype(np.uint32)
    tags[tags == 0] = 1
    return tags


class HashWindow:
    """Holds at least the last `ids` ids, and lets go of those older than `age` microseconds, both by whole
    generations. Tables double from `smallest` slots up to `largest`, and take no more than is asked of the window: in
    one of them an id that comes again each time that it has left the window stands only a few times.

    Of one id the newest `candidates` are found. `unplaced` counts the ids that won't be.
    """

    def __init__(self, ids: int, age: int, smallest: int, largest: int, candidates: int = CANDIDATES) -> None:
        self._ids = ids
        self._age = age
        self._largest = largest
        self._candidates = candidates
        self.unplaced = 0
        self._generations: deque[Generation] = deque([Generation(smallest)])

    @property
    def count(self) -> int:
        """Ids held: at least those of the window, and up to a generation more."""
        return sum(generation.count for generation in self._generations)

    def add(self, hashes: Uint64s, offsets: Uint64s, at: int) -> None:
        """Remember ids, in the order in which they were stored; the last one was stored at `at`."""
        most = max(self._ids, _LEAST)
        while len(hashes):
            newest = self._generations[-1]
            room = min(newest.capacity, most) - newest.count
            if room <= 0:
                newest = self._begin(at, min(self._largest, 2 * newest.slots))
            elif newest.count and at - newest.first_at > self._age:
                newest = self._begin(at, newest.slots)
            room = min(newest.capacity, most) - newest.count
            before = newest.unplaced
            newest.add(hashes[:room], offsets[:room], at)
            self.unplaced += newest.unplaced - before
            hashes, offsets = hashes[room:], offsets[room:]

    def find(self, hashes: Uint64s) -> Candidates:
        """Look up hashes."""
        found = Candidates([], set())
        for start in range(0, len(hashes), _LOOKUP):
            self._find(hashes[start : start + _LOOKUP], start, found)
        return found

    def _find(self, part: Uint64s, start: int, found: Candidates) -> None:
        tags = tags_of(part)
        left: Ints | None = None  # those that may have more
        counts = np.zeros(len(part), np.int64)
        for generation in reversed(self._generations):
            hashes, sought = (part, tags) if left is None else (part[left], tags[left])
            hits = list(generation.find(hashes, sought))
            if not hits:
                continue
            indexes, offsets = (np.concatenate(column) for column in zip(*hits, strict=True))
            indexes = indexes if left is None else left[indexes]
            counts += np.bincount(indexes, minlength=len(part))
            if counts.max() >= self._candidates:
                indexes, offsets = _newest(indexes, offsets, self._candidates)
                left = (counts < self._candidates).nonzero()[0]
                found.cut.update(((counts > self._candidates).nonzero()[0] + start).tolist())
            found.pairs.extend(zip((indexes + start).tolist(), offsets.tolist(), strict=True))

    def _begin(self, now: int, slots: int) -> Generation:
        """Seal the newest generation, begin another, and drop the oldest that nobody needs any more."""
        newest = Generation(slots)
        self._generations.append(newest)
        held = self.count
        while len(self._generations) > 1:
            oldest = self._generations[0]
            if held - oldest.count < self._ids and now - oldest.last_at <= self._age:
                break
            held -= oldest.count
            self._generations.popleft()
        return newest


def _newest(indexes: Ints, offsets: Uint64s, most: int) -> tuple[Ints, Uint64s]:
    """Return of each index the `most` highest offsets."""
    order = np.lexsort((~offsets, indexes))
    indexes, offsets = indexes[order], offsets[order]
    kept = np.arange(len(indexes)) - indexes.searchsorted(indexes) < most
    return indexes[kept], offsets[kept]
