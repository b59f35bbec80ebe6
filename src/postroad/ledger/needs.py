"""What of the log is still needed: retention may not remove it, and a backup may not lack it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from postroad.ledger.base import ABANDONED, TAKEN_OVER, Account, LedgerReader


async def needed_from(
    ledger: LedgerReader, starting_offsets: Mapping[str, int] = MappingProxyType({})
) -> Sequence[int]:
    """Return the offsets from which on somebody needs the log: each account that still owes something or has no end,
    and each destination of `starting_offsets` that has no account yet.

    Raises `StoreUnavailable` when the ledger can't be read.
    """
    accounts = await ledger.accounts()
    floors = [await ledger.floor(account.number) for account in accounts if await needs(account, ledger)]
    return [*floors, *without_account(starting_offsets, accounts).values()]


async def needs(account: Account, ledger: LedgerReader) -> bool:
    """Tell whether an account has no end, or still owes something."""
    has_more = account.end is None or account.cursor < account.end
    return has_more or await ledger.next_due(account.number) is not None


def without_account(starting_offsets: Mapping[str, int], accounts: Sequence[Account]) -> Mapping[str, int]:
    """Return, of the starting offsets, those of destinations that have no account for these events yet.

    One whose account was ended beyond that offset had its account.
    """
    had = [account for account in accounts if account.replay is None]
    opened = {account.destination for account in had if account.end is None}
    ended = {(account.destination, account.end) for account in had if account.end is not None}
    return {
        name: offset
        for name, offset in starting_offsets.items()
        if name not in opened and not any(owner == name and end > offset for owner, end in ended)
    }


def is_bounded(account: Account) -> bool:
    """Tell whether an account has an end and what is below it is still to be delivered."""
    if account.end is None or account.ended_by == ABANDONED:
        return False
    return account.replay is not None or account.ended_by == TAKEN_OVER
