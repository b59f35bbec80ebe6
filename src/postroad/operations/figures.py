"""What a destination is owed, counted: in its live account, and in those that it took over from another id."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from postroad.ledger.base import TAKEN_OVER, Account, LedgerReader, Outcome
from postroad.ledger.needs import needs, without_account
from postroad.log.base import LogReader, number_of, offset_of, position_of

_PAGE: Final = 1000
_MOST_PAGES: Final = 20
"""Where more begun blocks than these are beyond a cursor, what is settled further on counts as waiting."""


class Figures(NamedTuple):
    """`waiting` counts records not tried yet (and those of frozen batches), `outcomes` all others. `floor` is the
    lowest offset that is still needed of the log, and `log_bytes` about how large the log is from there on.
    """

    waiting: int
    outcomes: Mapping[Outcome, int]
    floor: int
    log_bytes: int


def by_destination(accounts: Sequence[Account], starting_offsets: Mapping[str, int]) -> Mapping[str, Sequence[Account]]:
    """Return the accounts that figures are taken of: of each destination the open live one, and those taken over.

    One that has a starting offset and no account yet is there with the account that it will get, whose number is 0.
    """
    found = {one.destination: [one] for one in accounts if one.replay is None and one.end is None}
    for name, start in without_account(starting_offsets, accounts).items():
        found[name] = [Account(0, name, None, start, None, start, 0)]
    for account in accounts:
        if account.ended_by == TAKEN_OVER and account.destination in found:
            found[account.destination].append(account)
    return found


async def figures(accounts: Sequence[Account], log: LogReader, ledger: LedgerReader) -> Figures:
    """Count what these accounts of one destination, one of them open, are owed together. Raises `StoreError`."""
    outcomes: Counter[Outcome] = Counter()
    for account in accounts:
        outcomes.update(await ledger.totals(account.number))
    floors = [await _floor(account, ledger) for account in accounts if await needs(account, ledger)]
    waiting = sum([await waiting_in(account, log, ledger) for account in accounts])
    state = await log.state()
    needed = await log.count_from(min(floors))
    log_bytes = state.size * min(needed, state.kept) // state.kept if state.kept else 0
    return Figures(waiting, outcomes, min(floors), log_bytes)


async def waiting_in(account: Account, log: LogReader, ledger: LedgerReader) -> int:
    """Count the records of one account, from the block of its cursor on, that have no outcome."""
    end = None if account.end is None else account.end + (-position_of(account.end)) % offset_of(1, 0)
    if end is not None and account.cursor >= end:
        return 0
    settled, after = 0, number_of(account.cursor) - 1
    for _ in range(_MOST_PAGES):  # only blocks that were begun are in the ledger: not a backlog
        page = await ledger.blocks(account.number, after=after, limit=_PAGE)
        settled += sum(len(codes) - codes.count(Outcome.PENDING) for _, codes in page)
        if len(page) < _PAGE:
            break
        after = page[-1][0]
    # Last: what comes meanwhile may be counted, but not be taken off uncounted.
    beyond = 0 if end is None else await log.count_from(end)
    return max(0, await log.count_from(account.cursor) - beyond - settled)


async def _floor(account: Account, ledger: LedgerReader) -> int:
    return await ledger.floor(account.number) if account.number else account.cursor
