"""The ledger's port: what became of every event at every destination.

Words. An **account** is one destination's claim on a stretch of the log: every record from `start` up to `end`
(exclusive; None while it is open). A destination has one open live account; a replay is an account of its own with a
name. Nothing ends an account but `end_account`, which says by what: a destination that is gone from the configuration
keeps its open account, and what comes is owed to it; one that comes back after its account was ended gets a new one.
The **cursor** of an account is an offset: every record of the account below it has an outcome. An **outcome** is one
byte per record and account, packed per block of the log: `Outcome`. A record whose outcome is `RETRY` has a row in
retry (when it is due again), one that is `DEAD` has a row in dead letters (with its bytes). Everything else costs its
byte and no more. A **frozen batch** is a list of records that are sent together, in this order, as often as it takes:
it is kept until one of them is settled. A **lost stretch** is a part of the log that can't be read any more: nobody
knows the records in it, the log knows how many they were.

Who owns what. One process owns the `Ledger` of a region (it holds a lock) and is the only one that writes; any number
of processes may hold a `LedgerReader`.

What a crash leaves. `settle` is one transaction: cursor, outcomes, retries, dead letters and attempts move together or
not at all. What was sent and not settled is sent again: at least once to the destination, once in these books.

What is forgotten. When the log retires blocks, `forget` folds their outcomes into counts. From then on only the rows
in retry and dead letters know what a record of such a block was: settling one of those moves its count in `totals` and
in `forgotten` alike; any other record there is settled for good, and what a settlement says of it is ignored. So for
every account and outcome, at every moment, `totals` equals `forgotten` plus the bytes of `blocks`: this is what audit
compares. A block is forgotten only once the cursor has passed it (or has reached the account's end).

What is lost. `lose` settles a stretch for good. Records of it that had a byte get the outcome `LOST`; those that had
none stand in one row `Lost` with their number, and whatever a settlement says later of a record in such a row that has
no byte is ignored. A `Lost` row is never folded. So `totals[LOST]` equals what is forgotten and the bytes, as above,
plus the records of these rows.

What is evicted. Of each account so many dead letters are kept as its `Quota` allows. When a settlement brings more,
the oldest (by `died_at`, then by offset) become `EVICTED` in the same transaction, `EVICT_AT_ONCE` more than it
brought at most: a quota that was made smaller is reached by and by.

Whose it is. A ledger belongs to one log, whose identity it adopts; offsets of another log mean nothing in it.

The ledger stores offsets and bytes; it knows nothing of email and nothing of the log's engine but the packing of
offsets (`postroad.log.base`).
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from postroad.ledger.hold import Hold


class Outcome(IntEnum):
    """What became of one record in one account. The numbers are stored, a byte for each record: never reuse one."""

    PENDING = 0
    DELIVERED = 1
    RETRY = 2
    DEAD = 3
    DROPPED = 4
    """A dead letter that the operator gave up for good."""
    EXPIRED = 5
    """Not delivered when retention removed it."""
    ERASED = 6
    """Removed by a privacy request."""
    ABANDONED = 7
    """Not delivered when its account was given up: the operator abandoned its destination, or stopped its replay."""
    LOST = 8
    """Its bytes were damaged or gone from the log before it was settled."""
    EVICTED = 9
    """A dead letter that went because more were kept than the quota allows."""
    FILTERED_INTEGRATIONS = 16
    FILTERED_EVENTS = 17
    FILTERED_DISABLED = 18
    FILTERED_UNSUPPORTED = 19
    FILTERED_TRANSFORM = 20
    OUT_OF_ACCOUNT = 255
    """In a block that the account shares with another: below its start, beyond its end, or filtered out
    of a replay. Not counted."""


class Quota(NamedTuple):
    """How many dead letters one account may keep. `size` is in bytes: their keys and values as they are kept."""

    rows: int
    size: int


DEFAULT_QUOTA = Quota(100_000, 256 << 20)
EVICT_AT_ONCE = 1000
ABANDONED = "abandoned"
"""`Account.ended_by`: the operator gave the destination up; what it was owed becomes `Outcome.ABANDONED`."""
TAKEN_OVER = "taken over"
"""`Account.ended_by`: its destination goes on under another id, which has an account too; what is below stays owed."""
STOPPED = "stopped"
"""`Account.ended_by`: a replay that was ended where it had come to."""


class Account(NamedTuple):
    """One destination's claim on `start <= offset < end`; see the module's words.

    `policy` is the destination's last `on_backlog_full`: it says what is held back for an account that nobody serves.
    `ended_at` (microseconds, 0: not yet) and `ended_by` say when and by what `end` was set after it was opened; a
    replay has an end from its first day, and both are empty then. `held_at` (microseconds, 0: it is not), `held_by` and
    `held_why` are the hold of the destination whose live account it is.
    """

    number: int
    destination: str
    replay: str | None
    start: int
    end: int | None
    cursor: int
    opened_at: int
    policy: str = "refuse"
    ended_at: int = 0
    ended_by: str = ""
    held_at: int = 0
    held_by: str = ""
    held_why: str = ""


class RetryRow(NamedTuple):
    """A record to send again at `due_at`. `tries` attempts were made, the first at `first_at` (0: none); whoever
    sends moves `first_at` on by what is not to count as the record's age.

    `key` and `value` are the record's own where the log may no longer have it (a resent dead letter). `form` is how the
    sender names the record to its receiver, so that it does so at every try; opaque here, 0 in rows from before it was
    kept. Dead letters and frozen batches have it, too.
    """

    offset: int
    due_at: int
    tries: int
    first_at: int
    why: str
    key: bytes | None = None
    value: bytes | None = None
    form: int = 0


class DeadLetter(NamedTuple):
    """A record that was given up, with its bytes. `label` is what people filter by: the event's name."""

    offset: int
    key: bytes
    value: bytes
    label: str
    why: str
    died_at: int
    first_at: int
    tries: int
    form: int = 0


class Attempt(NamedTuple):
    """One try that did not deliver. `status` is the HTTP status, 0 when there was none; `answer` a bounded
    excerpt of what came back.
    """

    offset: int
    at: int
    status: int
    why: str
    answer: str


class FrozenBatch(NamedTuple):
    """Records without an outcome, or in retry, that are sent as one, to be tried at `due_at` after `tries`
    tries, the first at `first_at` (0: none). A record is in one frozen batch at most, so the first offset
    tells batches apart.
    """

    offsets: Sequence[int]
    due_at: int
    tries: int
    first_at: int
    why: str
    form: int = 0


class Lost(NamedTuple):
    """`records` events of `start <= offset < end` that the log can't read any more and that had no byte."""

    start: int
    end: int
    records: int


class Settlement(NamedTuple):
    """What one transaction of one account changes.

    `cursor` moves the cursor forward, None leaves it. `outcomes` sets one byte a record, never to PENDING.
    `retries` has exactly the records with the outcome RETRY, `dead` those with DEAD; a record that leaves
    RETRY or DEAD loses its row. A retry without `key` and `value` keeps those that its row already has.
    `sizes` says how many records each newly touched block has; blocks touched before may be left out.
    A frozen batch is let go when any of its records is in `outcomes`.
    """

    outcomes: Mapping[int, Outcome]
    sizes: Mapping[int, int]
    cursor: int | None = None
    retries: Sequence[RetryRow] = ()
    dead: Sequence[DeadLetter] = ()
    attempts: Sequence[Attempt] = ()


class LedgerReader(Protocol):
    """The readers' side; every method sees one consistent state, or raises `StoreUnavailable`."""

    async def accounts(self) -> Sequence[Account]:
        """Return all accounts, closed ones too, by number."""
        ...

    async def account(self, number: int) -> Account | None:
        """Return one account as it is now."""
        ...

    async def missing(self) -> Sequence[int]:
        """Return the numbers of accounts that were opened, or have rows of any kind, and are not there: nothing ever
        removes one, and numbers are not used again. For audit.
        """
        ...

    async def outcomes(self, account: int, block: int) -> bytes:
        """Return one byte a record of that block, `b""` when none of it has been settled or it was forgotten."""
        ...

    async def blocks(self, account: int, *, after: int = -1, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return up to `limit` blocks numbered above `after` that have outcomes, in order: number and bytes."""
        ...

    async def totals(self, account: int) -> Mapping[Outcome, int]:
        """Return how many records have each outcome, forgotten blocks included. PENDING is never listed."""
        ...

    async def forgotten(self, account: int) -> Mapping[Outcome, int]:
        """Return the part of `totals` whose blocks were forgotten: audit adds the kept bytes to it."""
        ...

    async def lost(self, account: int) -> Sequence[Lost]:
        """Return the lost stretches of records without a byte, by their start."""
        ...

    async def identity(self) -> tuple[str, int] | None:
        """Return the identity and the epoch of the log this ledger belongs to; None while it has adopted none."""
        ...

    async def retries(
        self, account: int, *, due_at: int | None, due_after: int | None = None, offset: int | None = None, limit: int
    ) -> Sequence[RetryRow]:
        """Return the retries due at or before `due_at` (all when None) and later than `due_after`, the soonest
        first; only that of `offset` when it is given.
        """
        ...

    async def rows(self, account: int, outcome: Outcome, *, after: int = -1, limit: int) -> Sequence[int]:
        """Return up to `limit` offsets above `after` that have a row, in order: a retry for RETRY, a dead
        letter for DEAD; no other outcome has rows. For audit, which compares them with the bytes.
        """
        ...

    async def frozen(self, account: int) -> Sequence[FrozenBatch]:
        """Return the frozen batches, by their first offset."""
        ...

    async def next_due(self, account: int) -> int | None:
        """Return when the soonest retry is due, or None."""
        ...

    async def floor(self, account: int) -> int:
        """Return the lowest offset the account still needs from the log: its cursor or its oldest retry
        (one that carries its value needs nothing). 0 for an account that isn't there.
        """
        ...

    async def end(self) -> int:
        """Return an offset above everything that is known of the log here: starts, ends, cursors, outcomes, retries,
        dead letters, frozen batches and lost stretches of every account. 0 when nothing is. A log must never number
        below it.
        """
        ...

    async def dead(
        self,
        account: int,
        *,
        offset: int | None = None,
        label: str | None = None,
        since: int | None = None,
        until: int | None = None,
        after: int = -1,
        limit: int = 100,
    ) -> Sequence[DeadLetter]:
        """Return dead letters by offset, those above `after`, narrowed by what is not None
        (`since <= died_at < until`).
        """
        ...

    async def attempts(self, account: int, offset: int) -> Sequence[Attempt]:
        """Return the failed tries of one record, oldest first; kept while it is in retry or dead, and
        after for as long as its block is.
        """
        ...

    async def close(self) -> None:
        """Let the file go. Safe to call twice."""
        ...


class Ledger(LedgerReader, Protocol):
    """The writer's side. Every method returns once it is durable, or raises `StoreUnavailable` and has
    changed nothing. Only where the disk fails at the very end of a commit nobody can know which; the same
    settlement may be given again and counts once.

    What contradicts itself or the books raises `ValueError`: a bug of the caller, and nothing is changed.
    """

    @property
    def trouble(self) -> str:
        """Why the ledger can't be used; empty when it can, as far as is known."""
        ...

    async def check(self) -> bool:
        """Find out whether the ledger can be used now, opening it again if need be. Lets one heal that nobody writes
        to.
        """
        ...

    async def open_account(
        self, destination: str, *, start: int, at: int, end: int | None = None, replay: str | None = None
    ) -> Account:
        """Open an account with its cursor at `start`. A destination has at most one open live account."""
        ...

    async def end_account(self, account: int, end: int, *, at: int, by: str) -> None:
        """Set the account's end, and with it `ended_at` and `ended_by`: nothing from `end` on is owed any more. What is
        below stays owed.
        """
        ...

    async def set_policy(self, account: int, policy: str) -> None:
        """Keep the destination's `on_backlog_full` with its account."""
        ...

    async def set_hold(self, account: int, hold: Hold | None) -> None:
        """Keep with an account that its destination is held, until None is said."""
        ...

    async def hasten(self, account: int, at: int) -> int:
        """Let every retry and frozen batch that is due later than `at` be due then. Returns how many retries are due
        then or before. It works in transactions of bounded size, so one that fails may have done a part.
        """
        ...

    async def rename(self, destination: str, new: str) -> None:
        """Give all accounts of a destination, ended ones and replays too, to another id with everything in them.
        Nothing happens where there is none. Both may have accounts, but only one of them an open live one.
        """
        ...

    async def settle(self, account: int, settlement: Settlement) -> None:
        """Apply one settlement, whole or not at all."""
        ...

    async def freeze_batches(self, account: int, batches: Sequence[FrozenBatch]) -> None:
        """Keep these batches as they are; frozen ones that share a record with them are let go. This is how
        a batch is put off, and how one is cut in two.
        """
        ...

    async def resend(self, account: int, offsets: Sequence[int], at: int) -> int:
        """Turn these dead letters into retries due at `at`, with their bytes and form, no tries, and `first_at` at
        `at`. Returns how many were dead letters.
        """
        ...

    async def drop(self, account: int, offsets: Sequence[int]) -> int:
        """Give these dead letters up for good (`DROPPED`). Returns how many were dead letters."""
        ...

    async def lose(self, account: int, start: int, end: int, records: int) -> int:
        """The log can't read what is in `start <= offset < end`, and had `records` events there. Of these every one
        of the account without an outcome becomes `LOST`, and so does every retry without bytes of its own; frozen
        batches go on without them. What has no byte at all is written as one `Lost` row: `records` without those
        that have a byte and those of earlier rows that share a part of the stretch.

        Where the account begins or ends inside of the stretch nobody knows how many events are on which side: all
        count, but for those of blocks beyond it that another account has bytes of.

        Returns how many became lost by this call: it may be called again, also for a stretch that has grown.
        """
        ...

    async def adopt(self, identity: str, epoch: int) -> None:
        """Bind this ledger to a log, and note its epoch. Raises `StoreError` when it belongs to another log."""
        ...

    async def forget(self, before: int) -> None:
        """The log retired every offset below `before`: fold the outcomes of those blocks into the
        totals and let the bytes and attempts go. Dead letters and retries stay, and still count. It works in
        transactions of bounded size, so one that fails may have done a part: call it again.
        """
        ...
