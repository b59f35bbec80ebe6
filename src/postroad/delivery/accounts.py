"""Bringing the ledger's accounts in line with the configured destinations."""

from collections.abc import Sequence

from postroad.clock import Clock
from postroad.ledger.base import Account, Ledger, Outcome, Settlement
from postroad.log.base import LogReader, offset_of

_READ_BYTES = 4 * 1024 * 1024


async def open_accounts(
    wanted: Sequence[tuple[str, bool]], log: LogReader, ledger: Ledger, clock: Clock
) -> dict[str, Account]:
    """Return the live account of every wanted destination, opening those that are missing.

    `wanted` has a destination's id and whether a new one starts at the beginning of the log. What is owed
    to a destination that is no longer wanted is written off as abandoned and its account ended; when it
    comes back it gets a new account, which claims nothing that an earlier one of its accounts did.
    Raises `StoreError`; calling it again does what is left to do.
    """
    accounts = [account for account in await ledger.accounts() if account.replay is None]
    live = {account.destination: account for account in accounts if account.end is None}
    claimed = {account.destination: account.end for account in accounts if account.end is not None}
    ids = {destination for destination, _ in wanted}
    for destination, account in live.items():
        if destination not in ids:
            await abandon(account, log, ledger)
    for destination, from_beginning in wanted:
        if destination not in live:
            start = await log.first() if from_beginning else await log.end()
            start = max(start, claimed.get(destination, 0))
            live[destination] = await ledger.open_account(destination, start=start, at=clock.now())
    return {destination: live[destination] for destination in ids}


async def abandon(account: Account, log: LogReader, ledger: Ledger) -> None:
    """End an account at the log's end; every record it is still owed becomes abandoned."""
    end = await log.end()
    await _abandon_unread(account, end, log, ledger)
    while retries := await ledger.retries(account.number, due_at=None, limit=1000):
        gone = {retry.offset: Outcome.ABANDONED for retry in retries}
        await ledger.settle(account.number, Settlement(outcomes=gone, sizes={}))
    await ledger.end_account(account.number, end)  # last: until then a crash on the way is made good at the next start


async def _abandon_unread(account: Account, end: int, log: LogReader, ledger: Ledger) -> None:
    cursor = account.cursor
    while cursor < end:
        blocks = [block for block in await log.read(cursor, _READ_BYTES) if block.start < end]
        outcomes: dict[int, Outcome] = {}
        for block in blocks:
            settled = await ledger.outcomes(account.number, block.number)
            for position in range(len(block.records)):
                if position >= len(settled) or settled[position] == Outcome.PENDING:
                    outcomes[offset_of(block.number, position)] = Outcome.ABANDONED
        cursor = blocks[-1].end if blocks else end
        sizes = {block.number: len(block.records) for block in blocks}
        await ledger.settle(account.number, Settlement(outcomes=outcomes, sizes=sizes, cursor=cursor))
