"""What of the log is still needed: retention may not remove it, and a backup may not lack it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from postroad.ledger.base import Account, LedgerReader


async def needed_from(ledger: LedgerReader, announced: Mapping[str, int] = MappingProxyType({})) -> Sequence[int]:
    """Return the offsets from which on somebody needs the log: each account that still owes something or has no end,
    and each destination that was `announced` and has no account yet.

    Raises `StoreUnavailable` when the ledger can't be read.
    """
    accounts = await ledger.accounts()
    live = {account.destination for account in accounts if account.replay is None and account.end is None}
    floors = [await ledger.floor(account.number) for account in accounts if await _needs(account, ledger)]
    return [*floors, *(offset for name, offset in announced.items() if name not in live)]


async def _needs(account: Account, ledger: LedgerReader) -> bool:
    has_more = account.end is None or account.cursor < account.end
    return has_more or await ledger.next_due(account.number) is not None
