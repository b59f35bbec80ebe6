"""Bringing the ledger's accounts in line with the configured destinations."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from postroad.clock import Clock
from postroad.contract.stored import unpack
from postroad.delivery.losses import Losses
from postroad.delivery.routing import is_listed
from postroad.ledger.base import Account, Ledger, Outcome, Settlement
from postroad.log.base import LogReader, Record, offset_of

_READ_BYTES = 4 * 1024 * 1024
_PAGE = 1000


class Replay(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a replay's account says of it: the names of the events it is limited to (None: all) and how many
    of them go out a second (None: as many as its destination takes).
    """

    events: Sequence[str] | None = None
    rate: float | None = None

    @property
    def only(self) -> frozenset[str] | None:
        """The names as a filter."""
        return None if self.events is None else frozenset(self.events)

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, account: Account) -> "Replay":
        """Read it off an account; one that is no replay is limited to nothing."""
        return msgspec.json.decode(account.replay or "{}", type=cls)


async def open_accounts(
    wanted: Sequence[tuple[str, bool]],
    log: LogReader,
    ledger: Ledger,
    clock: Clock,
    announced: Callable[[], Mapping[str, int]] = dict,
) -> dict[str, Account]:
    """Return the live account of every wanted destination, opening those that are missing.

    `wanted` has a destination's id and whether a new one starts at the beginning of the log; else it starts where
    it was `announced`, or at the log's end. What is owed
    to a destination that is no longer wanted, also by its replays, is written off as abandoned and its accounts
    ended; when it comes back it gets a new account, which claims nothing that an earlier one of its accounts did.
    Raises `StoreError`; calling it again does what is left to do.
    """
    accounts = await ledger.accounts()
    live = {account.destination: account for account in accounts if account.replay is None and account.end is None}
    claimed = {a.destination: a.end for a in accounts if a.replay is None and a.end is not None}
    ids = {destination for destination, _ in wanted}
    for account in accounts:
        if account.destination not in ids and (account.end is None or await owes(account, ledger)):
            await abandon(account, await log.end() if account.end is None else account.end, log, ledger)
    end = await log.end()  # before the announcements are read: what is not announced then has no event behind this end
    starts = announced()
    for destination, from_beginning in wanted:
        if destination not in live:
            start = await log.first() if from_beginning else min(starts.get(destination, end), await log.end())
            start = max(start, claimed.get(destination, 0))
            live[destination] = await ledger.open_account(destination, start=start, at=clock.now())
    return {destination: live[destination] for destination in ids}


async def owes(account: Account, ledger: Ledger) -> bool:
    """Tell whether an account that has an end still has something to deliver."""
    return (account.end is not None and account.cursor < account.end) or await ledger.next_due(
        account.number
    ) is not None


async def abandon(account: Account, end: int, log: LogReader, ledger: Ledger) -> None:
    """End an account at `end`; every record below that it is still owed becomes abandoned."""
    await _abandon_unread(account, end, log, ledger)
    while retries := await ledger.retries(account.number, due_at=None, limit=_PAGE):
        gone = {retry.offset: Outcome.ABANDONED for retry in retries}
        await ledger.settle(account.number, Settlement(outcomes=gone, sizes={}))
    await ledger.end_account(account.number, end)  # last: until then a crash on the way is made good at the next start


async def stop(account: Account, log: LogReader, ledger: Ledger) -> None:
    """End a replay that nobody serves any more where it has come to."""
    end = account.cursor
    while blocks := await ledger.blocks(account.number, after=end // offset_of(1, 0) - 1, limit=_PAGE):
        end = offset_of(blocks[-1][0] + 1, 0)
    bound = end if account.end is None else min(end, account.end)
    await abandon(account, bound, log, ledger)


async def _abandon_unread(account: Account, end: int, log: LogReader, ledger: Ledger) -> None:
    cursor, only = account.cursor, Replay.of(account).only
    while cursor < end:
        blocks = [block for block in await log.read(cursor, _READ_BYTES) if block.start < end]
        outcomes: dict[int, Outcome] = {}
        for block in blocks:
            if block.lost:
                await Losses(account, log, ledger).meet(block)
            settled = await ledger.outcomes(account.number, block.number)
            for position, record in enumerate(block.records):
                if position >= len(settled) or settled[position] == Outcome.PENDING:
                    claimed = account.start <= record.offset < end and _is_claimed(record, only)
                    outcomes[record.offset] = Outcome.ABANDONED if claimed else Outcome.OUT_OF_ACCOUNT
        cursor = blocks[-1].end if blocks else end
        sizes = {block.number: len(block.records) for block in blocks if block.records}
        await ledger.settle(account.number, Settlement(outcomes=outcomes, sizes=sizes, cursor=cursor))


def _is_claimed(record: Record, only: frozenset[str] | None) -> bool:
    return only is None or not record.value or is_listed(only, unpack(record.value))
