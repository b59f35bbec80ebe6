"""The log's port: what every engine promises. SQLite keeps it on one machine; JetStream will on several.

Words. An **entry** is a key and a value, both opaque bytes: the key says when two entries are the same
event, the value is what is stored. A **block** is all that one group commit stored; it is read whole. An
entry's **offset** is a 64-bit integer: the block's number times `BLOCK_SPAN` plus its position in the
block, so offsets increase in commit order, have gaps, and are never used twice. `offset_of`, `number_of`
and `position_of` are the only places that know this.

Who owns what. One process owns the `Log` of a region (it holds a lock); any number of processes may hold a
`LogReader` of the same log at the same time and see a block as soon as its append has returned.

What a crash leaves. Every entry whose `append` returned, whole and once; of an append that had not
returned, the whole block or nothing. The log opens again by itself.

Duplicates. An entry whose key was stored before and is still inside the window is not stored again. The
window holds the keys of the last `window_age` seconds or the last `window_ids` keys, whichever is less, as
far as their segments are kept; what is inside is decided when a block begins. The test is exact: a hash
that matches is verified against the stored key. Two entries with one key in the same block are one event
too. An append that fails leaves no key behind: the same entry may be appended again and is stored then.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

BLOCK_SPAN = 1 << 16


def offset_of(number: int, position: int) -> int:
    """Return the offset of the entry at `position` of block `number`."""
    return number * BLOCK_SPAN + position


def number_of(offset: int) -> int:
    """Return the number of the block that holds `offset`."""
    return offset // BLOCK_SPAN


def position_of(offset: int) -> int:
    """Return the place inside its block of the entry at `offset`."""
    return offset % BLOCK_SPAN


class Entry(NamedTuple):
    """One thing to store: `key` decides what is a duplicate, `value` is kept as it is."""

    key: bytes
    value: bytes


class Record(NamedTuple):
    """One stored entry."""

    offset: int
    key: bytes
    value: bytes


class Block(NamedTuple):
    """All entries of one group commit, in order; the record at index i has position i.

    `appended_at` is in microseconds and never lower than that of the block before.
    """

    number: int
    appended_at: int
    records: Sequence[Record]

    @property
    def start(self) -> int:
        """The offset of the first record."""
        return offset_of(self.number, 0)

    @property
    def end(self) -> int:
        """The offset after the last record that this block could hold: where the next block may start."""
        return offset_of(self.number + 1, 0)


class Receipt(NamedTuple):
    """What became of the entries of one append.

    `offsets` has one offset an entry: its own, or that of the stored entry it repeats. `duplicates`
    maps the indexes of repeated entries to the record they repeat.
    """

    offsets: Sequence[int]
    duplicates: Mapping[int, Record]


class LogState(NamedTuple):
    """Figures for people and metrics. Times are microseconds, sizes bytes; None where the log is empty.

    `appended` and `duplicates` count entries since the log was made; `kept` those that are still there.
    """

    appended: int
    duplicates: int
    kept: int
    first_at: int | None
    last_at: int | None
    size: int
    segments: int


class Window(NamedTuple):
    """How far back duplicates are recognised right now: `ids` keys, the oldest appended at `since`."""

    ids: int
    since: int | None


class Log(Protocol):
    """The writer's side. All methods are for one event loop."""

    async def append(self, entries: Sequence[Entry]) -> Receipt:
        """Store entries, all or none, and return once they are durable.

        An append of at least one entry is one member of one block; several appends may share it. It has
        at most `BLOCK_SPAN` entries.
        Raises `StoreBusy` when too many unwritten bytes wait and `StoreUnavailable` when the store
        cannot write (full, read-only, failing, below the disk floor). Nothing of the append is kept
        or remembered then, and later appends succeed as soon as the cause is gone.
        """
        ...

    async def retire(self, before: int, age: float) -> int:
        """Remove the segments whose offsets are all below `before` and whose newest entry is older than
        `age` seconds. Returns how many entries went. The newest segment always stays.

        Raises `StoreUnavailable` and `StoreError` as readers do; a part may have gone then, call it again.
        """
        ...

    async def check(self) -> bool:
        """Find out whether an append would succeed now, opening the store again if need be, and return
        `healthy`. Lets a store heal that nobody dares to append to.
        """
        ...

    @property
    def queued(self) -> int:
        """Bytes that wait to be written."""
        ...

    @property
    def full(self) -> bool:
        """Whether so much waits to be written that an append would be refused with `StoreBusy`."""
        ...

    @property
    def window(self) -> Window:
        """The real dedup window."""
        ...

    @property
    def healthy(self) -> bool:
        """False from a failed commit until the store has been opened again and verified, and while the disk
        is below its floor. `append` and `check` try again each time.
        """
        ...

    async def close(self) -> None:
        """Write what is queued and give the lock back. Later appends raise `StoreUnavailable`."""
        ...


class LogReader(Protocol):
    """The readers' side. Every method raises `StoreUnavailable` when the log can't be read now, and `StoreError`
    when it is damaged.
    """

    async def read(self, start: int, max_bytes: int) -> Sequence[Block]:
        """Return whole blocks in order, from the one that holds `start` (or the first kept one after it),
        until their values reach `max_bytes`; at least one block when there is one. Empty at the end.

        The first block may hold records below `start`; the caller skips them. Blocks without
        records are left out.
        """
        ...

    async def get(self, offset: int) -> Record | None:
        """Return one record, or None when it was never there or has been retired."""
        ...

    async def find(self, key: bytes) -> Record | None:
        """Return the newest kept record with this key, however old: `show` asks, not the hot path."""
        ...

    async def end(self) -> int:
        """Return the offset after the last block: where a reader that wants only new entries starts."""
        ...

    async def first(self) -> int:
        """Return the offset of the first kept block, or `end()` when there is none."""
        ...

    async def wait(self, end: int) -> None:
        """Return once the log's end is beyond `end`. Bound it with `asyncio.timeout`."""
        ...

    async def offset_at(self, at: int) -> int:
        """Return the start of the first block appended at or after the time `at` (microseconds), or
        `end()` when there is none.
        """
        ...

    async def appended_at(self, offset: int) -> int | None:
        """Return when the first kept block that ends after `offset` was appended; None at the end."""
        ...

    async def count_from(self, offset: int) -> int:
        """Return how many kept records are in the block of `offset` and after it."""
        ...

    async def state(self) -> LogState:
        """Return the figures of the moment."""
        ...

    async def close(self) -> None:
        """Let the files go. Safe to call twice."""
        ...
