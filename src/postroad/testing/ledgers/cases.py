"""What the tests of ledgers are made of: settlements, rows, and what is compared."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from postroad.ledger.base import (
    DEFAULT_QUOTA,
    Attempt,
    DeadLetter,
    FrozenBatch,
    Ledger,
    LedgerReader,
    Outcome,
    Quota,
    RetryRow,
    Settlement,
)
from postroad.log.base import offset_of

SIZE = 4
"""Records in each block of these tests."""

_RETRY, _DEAD = Outcome.RETRY, Outcome.DEAD


class Harness(Protocol):
    """What is needed to test one engine."""

    async def open(self, quota: Quota = DEFAULT_QUOTA) -> Ledger:
        """Open the one writer, on what a crash left if there was one, with this quota of dead letters."""
        ...

    async def reader(self) -> LedgerReader:
        """Make a reader of the same ledger; there may be no ledger yet."""
        ...

    async def crash(self) -> None:
        """End the writer as kill -9 would, with nothing closed. A ledger in memory may do nothing."""
        ...

    async def stop(self) -> None:
        """Close all that was opened."""
        ...


def settlement(
    outcomes: Mapping[int, Outcome],
    *,
    cursor: int | None = None,
    due_at: int = 100,
    value: bytes | None = None,
    attempts: Sequence[Attempt] = (),
) -> Settlement:
    """Return a settlement with the retries and dead letters that its outcomes ask for."""
    return Settlement(
        outcomes,
        {offset // offset_of(1, 0): SIZE for offset in outcomes},
        cursor,
        [retry(offset, due_at, value) for offset, outcome in outcomes.items() if outcome == _RETRY],
        [letter(offset) for offset, outcome in outcomes.items() if outcome == _DEAD],
        attempts,
    )


def retry(offset: int, due_at: int = 100, value: bytes | None = None) -> RetryRow:
    """Return a retry after one try."""
    return RetryRow(offset, due_at, 1, 50, "503", value)


def letter(offset: int, label: str = "Email Opened", died_at: int = 90) -> DeadLetter:
    """Return a dead letter whose bytes name its offset."""
    return DeadLetter(offset, b"key", b"value %d" % offset, label, "410", died_at, 50, 3)


def frozen(*offsets: int) -> FrozenBatch:
    """Return a batch that was not tried yet."""
    return FrozenBatch(offsets, 100, 0, 0, "")


async def check_books(reader: LedgerReader, account: int) -> None:
    """Assert what audit relies on: totals are the forgotten counts, the bytes that are kept and the lost rows."""
    counted = dict(await reader.forgotten(account))
    for _, codes in await reader.blocks(account, limit=1000):
        for code in codes:
            if code not in {Outcome.PENDING, Outcome.OUT_OF_ACCOUNT}:
                counted[Outcome(code)] = counted.get(Outcome(code), 0) + 1
    lost = sum(row.records for row in await reader.lost(account))
    if lost:
        counted[Outcome.LOST] = counted.get(Outcome.LOST, 0) + lost
    assert await reader.totals(account) == counted


async def frozen_batches(reader: LedgerReader, account: int) -> list[FrozenBatch]:
    """Return the frozen batches in a form that compares."""
    return [batch._replace(offsets=tuple(batch.offsets)) for batch in await reader.frozen(account)]


async def is_refused(call: Awaitable[object]) -> bool:
    """Tell whether a call was refused as a bug."""
    try:
        await call
    except ValueError:
        return True
    return False


async def everything(reader: LedgerReader, account: int) -> list[object]:
    """Return all that a ledger tells of an account whose records are in block 0."""
    return [
        list(await reader.accounts()),
        list(await reader.blocks(account, limit=1000)),
        await reader.totals(account),
        await reader.forgotten(account),
        list(await reader.lost(account)),
        await reader.identity(),
        list(await reader.retries(account, due_at=None, limit=1000)),
        list(await reader.dead(account, limit=1000)),
        await frozen_batches(reader, account),
        [list(await reader.attempts(account, offset)) for offset in range(SIZE)],
    ]


class LedgerCase:
    """The ground of every test: a harness, and a ledger with one account."""

    harness: Harness

    async def _account(self) -> tuple[Ledger, int]:
        ledger = await self.harness.open()
        return ledger, (await ledger.open_account("crm", start=0, at=1)).number
