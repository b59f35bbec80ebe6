"""The log's port: what every engine promises. Ours, `log/embedded/`, keeps it in SQLite files on one machine.

Words. An **entry** is a key and a value, both opaque bytes: the key says when two entries are the same
event, the value is what is stored. A **block** is all that one group commit stored; it is read whole. An
entry's **offset** is a 64-bit integer: the block's number times `BLOCK_SPAN` plus its position in the
block, so offsets increase in commit order, have gaps, and are never used twice. `offset_of`, `number_of`
and `position_of` are the only places that know this.

What can't be read. Each block knows how many records the log had got before it, so whatever is missing between two
blocks that can be read (damaged bytes, rows or files that are gone, numbers that were skipped above an end that was
cut off) shows as a difference of totals, and so does what is missing at either end, from what `Ends` says. A reader
gets such a **lost** stretch as one block without records that tells how many are gone. Damage stops nobody.

Time. Two kinds are told apart. `appended_at` is the machine's clock, for people; it may go back. The log's own time,
its **ticks**, never does: it goes on with the monotonic clock while the writer runs, and over a stop by the wall
clock's difference, of at least nothing and at most a day. Retention, the age of segments and the dedup window count
in ticks, so a machine's clock that jumps removes nothing and forgets nothing.

Who is who. A log has an **identity**, made with it, and an **epoch**, which rises by one whenever the log was found
behind what it or the ledger had been told: then it goes on above all offsets that anybody can know.

Who owns what. One process owns the `Log` of a region (it holds a lock); any number of processes may hold a
`LogReader` of the same log at the same time and see a block as soon as its append has returned.

What a crash leaves. Every entry whose `append` returned, whole and once; of an append that had not
returned, the whole block or nothing. The log opens again by itself.

Duplicates. An entry whose key was stored before and is still inside a window is not stored again. There are `WINDOWS`
windows, and an append says into which one its keys go: whoever fills the one shortens no other. A key is looked for in
all of them. Each holds the last `window_ids` keys of its own or those of the last `window_age` seconds, whichever is
less, as far as their segments are kept; what is inside is decided when a block begins. The test is exact: a hash
that matches is verified against the stored key. An engine may bound how many it verifies, so that nobody can stop it
with keys that share a hash: an entry beyond the bound is stored again, never refused or forgotten, and counted
(`Window.crowded`). Two entries with one key in the same block are one event
too. An append that fails leaves no key behind: the same entry may be appended again and is stored then.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

BLOCK_SPAN = 1 << 16

WINDOWS = 2
"""How many dedup windows a log has."""

MARGIN = 1 << 20
"""How many block numbers a log leaves free above an end that was lost: some may have been given out meanwhile."""


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
    """One stored entry. One whose value is empty was *erased*: its key is a keyed digest of the one it had, by which
    duplicates are still recognised.
    """

    offset: int
    key: bytes
    value: bytes

    @property
    def is_erased(self) -> bool:
        """Whether a privacy request has removed it."""
        return not self.value


class Block(NamedTuple):
    """All entries of one group commit, in order; the record at index i has position i.

    `appended_at` is the wall clock's, in microseconds; it may be lower than that of the block before.

    A stretch that can't be read is a block too: without records, `lost` (more than 0) says how many are gone,
    `number` is the first missing number and `until` the number at which the stretch ends (exclusive).
    """

    number: int
    appended_at: int
    records: Sequence[Record]
    lost: int = 0
    until: int | None = None

    @property
    def start(self) -> int:
        """The offset of the first record."""
        return offset_of(self.number, 0)

    @property
    def end(self) -> int:
        """The offset after the last record that this block could hold: where the next block may start."""
        return offset_of(self.number + 1 if self.until is None else self.until, 0)


class Ends(NamedTuple):
    """Where a log begins and ends, as its writer last wrote down outside of the blocks. Never ahead of what is durable,
    and about a second behind it at most while the writer runs.

    `first` is the number of the block from which retention keeps, `retired` how many records were stored before it.
    `following` is the number after the last block; `appended` and `duplicates` are the totals up to it. `ticks` is
    the log's own time, and `at` the wall clock's, of that moment, both in microseconds. Below block `doubtful` events
    may be missing that nobody knows of: what had been written down was gone when the writer opened the log (0: it never
    was).
    """

    identity: str
    epoch: int
    first: int
    retired: int
    following: int
    appended: int
    duplicates: int
    ticks: int
    at: int
    doubtful: int = 0


class Receipt(NamedTuple):
    """What became of the entries of one append.

    `offsets` has one offset an entry: its own, or that of the stored entry it repeats. `duplicates`
    maps the indexes of repeated entries to the record they repeat.
    """

    offsets: Sequence[int]
    duplicates: Mapping[int, Record]


class LogState(NamedTuple):
    """Figures for people and metrics. Times are microseconds, sizes bytes; None where the log is empty.

    `appended` and `duplicates` count entries since the log was made; `kept` those that retention has not removed,
    what can't be read included.
    """

    appended: int
    duplicates: int
    kept: int
    first_at: int | None
    last_at: int | None
    size: int
    segments: int


class Window(NamedTuple):
    """How far back one window reaches right now: `ids` keys, the oldest appended at `since` (wall clock). `crowded`
    counts the keys, since the log was opened, that it gave up looking for among others with the same hash.
    """

    ids: int
    since: int | None
    crowded: int = 0


class Log(Protocol):
    """The writer's side. All methods are for one event loop."""

    async def append(self, entries: Sequence[Entry], window: int = 0) -> Receipt:
        """Store entries, all or none, and return once they are durable. Their keys go into the window of this number,
        which is below `WINDOWS`.

        An append of at least one entry is one member of one block; several appends may share it. It has
        at most `BLOCK_SPAN` entries.
        Raises `StoreBusy` when too many unwritten bytes wait and `StoreUnavailable` when the store
        cannot write (full, read-only, failing, below the disk floor). Nothing of the append is kept
        or remembered then, and later appends succeed as soon as the cause is gone.
        """
        ...

    async def retire(self, before: int, age: float) -> int:
        """Remove the segments whose offsets are all below `before` and whose newest entry is older than
        `age` seconds in the log's own time. Returns how many entries went, lost ones included. The newest segment
        always stays.

        Raises `StoreUnavailable` and `StoreError` as readers do; a part may have gone then, call it again.
        """
        ...

    async def record_end(self) -> None:
        """Write down where the log begins and ends (`Ends`), when that has changed or a minute has passed. To be
        called about once a second.

        Raises `StoreUnavailable` when it can't be written; appends go on all the same.
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
    def windows(self) -> Sequence[Window]:
        """The real dedup windows, by their number."""
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
    """The readers' side. Every method raises `StoreUnavailable` when the log can't be read now, and `StoreVersion`
    when a newer Postroad wrote it. Damage raises nothing: what can't be read counts as lost.
    """

    async def read(self, start: int, max_bytes: int) -> Sequence[Block]:
        """Return whole blocks in order, from the one that holds `start` (or the first kept one after it),
        until their values reach `max_bytes`; at least one block when there is one. Empty at the end.

        The first block may hold records below `start`; the caller skips them. Blocks without
        records are left out. What can't be read is one block without records for each stretch of it (see `Block`),
        always whole: it may begin below `start`. Its `appended_at` is that of the next block that can be read, 0 at
        the end of the log.
        """
        ...

    async def get(self, offset: int) -> Record | None:
        """Return one record, or None when it was never there, has been retired or can't be read."""
        ...

    async def find(self, key: bytes) -> Record | None:
        """Return the newest kept record with this key, however old: `show` asks, not the hot path."""
        ...

    async def end(self) -> int:
        """Return the offset after the last block, lost ones included: where a reader that wants only new entries
        starts.
        """
        ...

    async def first(self) -> int:
        """Return the offset of the first kept block or lost stretch, or `end()` when there is none."""
        ...

    async def ends(self) -> Ends | None:
        """Return what the writer last wrote down; None when that is not there or can't be read."""
        ...

    async def identity(self) -> tuple[str, int] | None:
        """Return identity and epoch as the newest segment that can be read has them; None for an empty log, and for
        one that an earlier version wrote.
        """
        ...

    async def wait(self, end: int) -> None:
        """Return once there is something to read at `end` or above it. Bound it with `asyncio.timeout`."""
        ...

    async def offset_at(self, at: int) -> int:
        """Return the start of the FIRST block appended at or after the time `at` (microseconds, wall clock), or
        `end()` when there is none. Whatever was appended since `at` is at this offset or above it.
        """
        ...

    async def offset_before(self, at: int) -> int:
        """Return the end of the LAST block appended before the time `at` (microseconds, wall clock), or `first()`
        when there is none. Whatever was appended before `at` is below this offset. Where the clock never stepped, no
        block lies between it and `offset_at(at)`.
        """
        ...

    async def offset_of_age(self, age: float) -> int:
        """Return the start of the first block that is younger than `age` seconds, or `end()` when there is none: in the
        log's own time, as it was at the last append or `record_end`. What is lost is as old as the next block after it.
        """
        ...

    async def age_of(self, offset: int) -> float | None:
        """Return how many seconds ago, in the log's own time, the first kept block that can be read and ends after
        `offset` was appended; None when there is none. For people: it may be off by what the clock was set in the
        last minute.
        """
        ...

    async def appended_at(self, offset: int) -> int | None:
        """Return when the first kept block that can be read and ends after `offset` was appended (wall clock); None
        when there is none.
        """
        ...

    async def count_from(self, offset: int) -> int:
        """Return how many kept records are in the block of `offset` and after it, lost ones included: of a stretch
        that `offset` is inside of, all those that may lie above it.
        """
        ...

    async def state(self) -> LogState:
        """Return the figures of the moment."""
        ...

    async def close(self) -> None:
        """Let the files go. Safe to call twice."""
        ...
