"""Bringing the ledger's accounts in line with the configured destinations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from postroad.clock import Clock
from postroad.errors import StoreError
from postroad.ledger.base import ABANDONED, TAKEN_OVER, Account, Ledger, LedgerReader, Outcome
from postroad.ledger.needs import needs, without_account
from postroad.log.base import LogReader, offset_of
from postroad.storage.starting_offsets import take_over

_PAGE = 1000

LOOK_EVERY: Final = 10.0
"""Seconds. A new log gets its identity with its first segment, another epoch whenever it was found to lack its end."""


class Wanted(NamedTuple):
    """A configured destination. `from_beginning` says that a new one starts at the beginning of the log, `policy` is
    its `on_backlog_full`, and `was` its former id, whose account it takes over.
    """

    destination: str
    from_beginning: bool = False
    policy: str = "refuse"
    was: str | None = None


async def open_accounts(
    wanted: Sequence[Wanted],
    log: LogReader,
    ledger: Ledger,
    clock: Clock,
    starting_offsets: Callable[[], Mapping[str, int]] = dict,
) -> dict[str, Account]:
    """Return the live account of every wanted destination, opening those that are missing.

    A new one starts at the beginning of the log, or at its starting offset, or at the log's end; it claims nothing
    that an earlier account of its destination did. A destination that is not wanted keeps its account, open and
    owed what comes: it is held. It gets one, too, when it has a starting offset and never had any.
    Raises `StoreError`; calling it again does what is left to do.
    """
    end = await log.end()  # before the starting offsets: a destination without one is owed nothing below this
    was = {one.destination: one.was for one in wanted if one.was is not None}
    starts = starting_offsets()
    for new, old in was.items():
        await _take_over(old, new, starts, ledger, clock)
    starts = take_over(starts, was)
    opened = {}
    for one in wanted:
        account = live_accounts(await ledger.accounts()).get(one.destination)
        if account is None:
            start = await log.first() if one.from_beginning else min(starts.get(one.destination, end), await log.end())
            account = await _open(one.destination, start, ledger, clock)
        if account.policy != one.policy:
            await ledger.set_policy(account.number, one.policy)
        opened[one.destination] = account._replace(policy=one.policy)
    for name, offset in without_account(starts, await ledger.accounts()).items():
        await _open(name, min(offset, await log.end()), ledger, clock)
    return opened


def live_accounts(accounts: Sequence[Account]) -> dict[str, Account]:
    """Return the open live account of every destination that has one."""
    return {account.destination: account for account in accounts if account.replay is None and account.end is None}


async def owing(destination: str, ledger: LedgerReader) -> Sequence[Account]:
    """Return the accounts of a destination that are open or still owe something, and were not abandoned."""
    mine = [account for account in await ledger.accounts() if account.destination == destination]
    return [account for account in mine if account.ended_by != ABANDONED and await needs(account, ledger)]


async def end_accounts(destination: str, log: LogReader, ledger: Ledger, clock: Clock) -> None:
    """End, as abandoned, all accounts of a destination that are open or still owe something.

    Raises `StoreError`; calling it again does what is left to do.
    """
    end = await log.end()
    for account in await owing(destination, ledger):
        bound = end if account.end is None else account.end
        await ledger.end_account(account.number, bound, at=clock.now(), by=ABANDONED)


async def settled_to(account: Account, ledger: Ledger) -> int:
    """Return the offset above everything that an account has begun with."""
    top, after = account.cursor, account.cursor // offset_of(1, 0) - 1
    while blocks := await ledger.blocks(account.number, after=after, limit=_PAGE):
        after = blocks[-1][0]
        for number, codes in blocks:
            begun = len(codes.rstrip(bytes([Outcome.PENDING])))
            top = max(top, offset_of(number, begun) if begun else 0)
    return max([top, *(max(batch.offsets) + 1 for batch in await ledger.frozen(account.number))])


async def _open(destination: str, start: int, ledger: Ledger, clock: Clock) -> Account:
    """Open a live account that claims nothing that an earlier one of the destination did."""
    earlier = [a.end for a in await ledger.accounts() if a.destination == destination and a.replay is None]
    start = max([start, *(end for end in earlier if end is not None)])
    return await ledger.open_account(destination, start=start, at=clock.now())


async def _take_over(old: str, new: str, starting_offsets: Mapping[str, int], ledger: Ledger, clock: Clock) -> None:
    """Give the accounts of `old` to `new`. Where that has a live account already, what `old` is owed up to where the
    other's begins is delivered beside it: its account gets an end.
    """
    accounts = await ledger.accounts()
    live = live_accounts(accounts)
    mine, other = live.get(new), live.get(old)
    start = without_account(starting_offsets, accounts).get(old)
    if other is None and start is not None and (mine is None or start < mine.start):
        other = await ledger.open_account(old, start=start, at=clock.now())
    if mine is not None and other is not None:
        end = max(mine.start, await settled_to(other, ledger))
        await ledger.end_account(other.number, end, at=clock.now(), by=TAKEN_OVER)
    await ledger.rename(old, new)


async def belong(log: LogReader, ledger: Ledger) -> None:
    """Bind the ledger to the log, once that says who it is. Raises `StoreError`, with the remedy, when it belongs to
    another.
    """
    found = await log.identity()
    if found is not None and found != await ledger.identity():
        await ledger.adopt(*found)


async def keep_belonging(log: LogReader, ledger: Ledger, clock: Clock) -> None:
    """Do so again, for ever, as the log's identity or epoch becomes known."""
    logger = structlog.get_logger("postroad.delivery")
    while True:
        await clock.sleep(LOOK_EVERY)
        try:
            await belong(log, ledger)
        except StoreError as error:
            logger.warning("the ledger can't note which log it belongs to", reason=str(error))
