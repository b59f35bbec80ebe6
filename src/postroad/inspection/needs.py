"""What of the log is still needed: retention may not remove it, and a backup may not lack it."""

from collections.abc import Sequence

from postroad.ledger.base import Account, LedgerReader


async def needed_from(ledger: LedgerReader) -> Sequence[int]:
    """Return, for each account that still owes something or has no end, the offset from which on it needs the log.

    Raises `StoreUnavailable` when the ledger can't be read.
    """
    return [await ledger.floor(account.number) for account in await ledger.accounts() if await _needs(account, ledger)]


async def _needs(account: Account, ledger: LedgerReader) -> bool:
    has_more = account.end is None or account.cursor < account.end
    return has_more or await ledger.next_due(account.number) is not None
