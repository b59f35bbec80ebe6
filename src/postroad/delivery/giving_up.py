"""Writing down that events are not delivered any more: a part at a time, beside everything else."""

from collections.abc import Collection, Sequence
from typing import Final

import structlog

from postroad.clock import MICROSECONDS, Clock
from postroad.contract.stored import unpack
from postroad.delivery.alarm import Alarm
from postroad.delivery.losses import Losses
from postroad.delivery.routing import Replay
from postroad.errors import StoreError
from postroad.ledger.base import ABANDONED, Account, FrozenBatch, Ledger, Outcome, Settlement
from postroad.ledger.needs import needs
from postroad.log.base import Block, LogReader, Record

READ_BYTES: Final = 1024 * 1024
"""How much of the log one step takes."""
PAGE: Final = 1000
"""How many retries one step takes."""

EXPIRE_EVERY: Final = 60.0
"""Seconds from one look for what is too old to the next."""

_AGAIN_AFTER = 1.0


class GivingUp:
    """Gives up, for ever, for accounts that have no worker: what abandoned ones were owed, also what an earlier run
    left of it, and what is too old at those that are held and may not hold back the log.
    """

    def __init__(
        self, served: Collection[str], log: LogReader, ledger: Ledger, clock: Clock, retention: float | None
    ) -> None:
        """`served` are the configured destinations. `retention` is in seconds; None lets nothing expire."""
        self._served = served
        self._log = log
        self._ledger = ledger
        self._clock = clock
        self._retention = retention
        self._alarm = Alarm(clock, round(EXPIRE_EVERY * MICROSECONDS))
        self._logger = structlog.get_logger("postroad.delivery")

    async def run(self) -> None:
        """Give up until cancelled. One account after the other, so that no two steps settle the same."""
        self._alarm.switch_off()
        while True:
            self._alarm.listen()
            try:
                await self._round()
            except StoreError as error:
                self._logger.warning("what is given up can't be written down now", reason=str(error))
                await self._clock.sleep(_AGAIN_AFTER)
            except Exception:  # a bug in here must not stop the workers, which deliver
                self._logger.exception("what is given up could not be written down; it is tried again")
                await self._clock.sleep(EXPIRE_EVERY)
            else:
                await self._alarm.wait(EXPIRE_EVERY)

    def look_again(self) -> None:
        """Tell that accounts were abandoned."""
        self._alarm.ring()

    async def _round(self) -> None:
        accounts = await self._ledger.accounts()
        for account in accounts:
            if is_abandoned(account):
                await abandon(account, self._log, self._ledger)
        expiring = {
            account.destination
            for account in accounts
            if account.replay is None and account.end is None and account.policy == "expire"
        }
        held = [account for account in accounts if account.destination in expiring - set(self._served)]
        if held and self._retention is not None:
            before = await self._log.offset_of_age(self._retention)
            for account in held:
                if not is_abandoned(account) and await needs(account, self._ledger):
                    await expire(account, before, self._log, self._ledger)


def is_abandoned(account: Account) -> bool:
    """Tell whether what an account is still owed is given up."""
    return account.end is not None and account.ended_by == ABANDONED


async def abandon(account: Account, log: LogReader, ledger: Ledger) -> None:
    """Let all that an account with an end is still owed become abandoned. Raises `StoreError`; calling it again does
    what is left to do.
    """
    if account.end is not None:
        await _give_up_unread(account, account.end, Outcome.ABANDONED, log, ledger)
    while retries := await ledger.retries(account.number, due_at=None, limit=PAGE):
        gone = {retry.offset: Outcome.ABANDONED for retry in retries}
        await ledger.settle(account.number, Settlement(outcomes=gone, sizes={}))


async def expire(account: Account, before: int, log: LogReader, ledger: Ledger) -> None:
    """Let what is below an offset expire for an account that nobody serves. A frozen batch that reaches above it waits.

    Raises `StoreError`.
    """
    before = _whole(before, await ledger.frozen(account.number))
    bound = before if account.end is None else min(before, account.end)
    await _give_up_unread(account, bound, Outcome.EXPIRED, log, ledger)
    await _expire_retries(account, before, ledger)


def _whole(before: int, batches: Sequence[FrozenBatch]) -> int:
    """Return an offset that cuts no batch in two, at most `before`."""
    for batch in sorted(batches, key=lambda one: min(one.offsets), reverse=True):
        if min(batch.offsets) < before <= max(batch.offsets):
            before = min(batch.offsets)
    return before


async def _give_up_unread(account: Account, end: int, outcome: Outcome, log: LogReader, ledger: Ledger) -> None:
    """Give what has no outcome below `end` this one, and move the cursor there."""
    cursor, replay = account.cursor, Replay.of(account)
    while cursor < end:
        blocks = [block for block in await log.read(cursor, READ_BYTES) if block.start < end]
        outcomes: dict[int, Outcome] = {}
        for block in blocks:
            if block.lost:
                await Losses(account, log, ledger).meet(block)
            settled = await ledger.outcomes(account.number, block.number)
            for record in _unsettled(block, settled):
                if record.offset < end:
                    outcomes[record.offset] = outcome if _claims(account, record, replay) else Outcome.OUT_OF_ACCOUNT
        cursor = min(blocks[-1].end, end) if blocks else end
        sizes = {block.number: len(block.records) for block in blocks if block.records}
        await ledger.settle(account.number, Settlement(outcomes=outcomes, sizes=sizes, cursor=cursor))


def _unsettled(block: Block, settled: bytes) -> Sequence[Record]:
    return [
        record
        for position, record in enumerate(block.records)
        if position >= len(settled) or settled[position] == Outcome.PENDING
    ]


def _claims(account: Account, record: Record, replay: Replay) -> bool:
    is_claimed = record.is_erased or not replay.is_limited or replay.claims(unpack(record.value))
    return record.offset >= account.start and is_claimed


async def _expire_retries(account: Account, before: int, ledger: Ledger) -> None:
    """Let the retries below an offset expire whose bytes are only in the log."""
    after = -1
    while page := await ledger.rows(account.number, Outcome.RETRY, after=after, limit=PAGE):
        after = page[-1]
        gone = {
            row.offset: Outcome.EXPIRED
            for offset in page
            if offset < before
            for row in await ledger.retries(account.number, due_at=None, offset=offset, limit=1)
            if row.value is None
        }
        if gone:
            await ledger.settle(account.number, Settlement(outcomes=gone, sizes={}))
        if after >= before:
            return
