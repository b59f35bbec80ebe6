"""Whether the books balance: every accepted event has exactly one state at every destination that was there.

It reads the log once and walks along it through the books of every account; nothing is trusted that can be
counted. Memory stays the same however long the log is.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec

from postroad.errors import StoreUnavailable
from postroad.inspection.books import AccountBooks, AccountCheck
from postroad.ledger.base import LedgerReader
from postroad.log.base import LogReader, LogState
from postroad.rejections import Count, RejectionsReader

_READ_BYTES: Final = 4 * 1024 * 1024
_LOOKS: Final = 3

_NO_BOOKS: Final = (
    "the log has events, destinations are configured, and the ledger has no account: either delivery never ran here, or"
    " the ledger is lost and with it what was still owed; put it back from a backup, or replay that time"
)

Snapshot = Callable[[], AbstractAsyncContextManager[LedgerReader]]
"""Makes a view of the ledger as it is when entered, which does not change until it is left."""


class RegionBooks(msgspec.Struct, frozen=True):
    """The books of one region. `accepted` is every event ever stored, `kept` those that were found in the log.

    `rejections` has the counts of known sources and of strangers. `problems` are those of the log and of the
    rejections; each account has its own.
    """

    region: str
    balanced: bool
    accepted: int
    duplicates: int
    kept: int
    accounts: Sequence[AccountBooks]
    rejections: Mapping[str, Count]
    problems: Sequence[str]


async def audit(
    region: str,
    log: LogReader,
    snapshot: Snapshot,
    rejections: RejectionsReader,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
    *,
    destinations: Collection[str] = (),
) -> RegionBooks:
    """Return the books of one region. `tell` is called with the number of events compared, and of all there are.
    `destinations` are those that are configured: when there are some, a ledger without any account is a problem.

    Raises `StoreError` when a file is damaged or can't be read.
    """
    for _ in range(_LOOKS):
        found = await _look(region, log, snapshot, rejections, tell)
        if found is None:
            continue
        if destinations and found.accepted and not found.accounts:
            return msgspec.structs.replace(found, balanced=False, problems=[*found.problems, _NO_BOOKS])
        return found
    raise StoreUnavailable("retention kept removing events while they were being counted; ask again")


async def _look(
    region: str,
    log: LogReader,
    snapshot: Snapshot,
    rejections: RejectionsReader,
    tell: Callable[[int, int], None],
) -> RegionBooks | None:
    """Look once; None when retention removed events meanwhile, so that what was read doesn't fit together."""
    first = await log.first()
    async with snapshot() as ledger:  # before the log's end is asked: nobody can have settled what comes after
        before = await log.state()
        checks = [AccountCheck(account, ledger, first) for account in await ledger.accounts()]
        counted = await _walk(log, first, checks, lambda done: tell(done, before.kept))
        after = await log.state()
        if await log.first() != first:
            return None
        retired = after.appended - after.kept
        accounts = [await check.finish(retired) for check in checks]
    counts = await rejections.counts()
    problems = [*_log_problems(before, counted, after), *_rejection_problems(counts._asdict())]
    return RegionBooks(
        region=region,
        balanced=not problems and all(account.balanced for account in accounts),
        accepted=retired + counted,
        duplicates=after.duplicates,
        kept=counted,
        accounts=accounts,
        rejections=counts._asdict(),
        problems=problems,
    )


async def _walk(log: LogReader, first: int, checks: Sequence[AccountCheck], tell: Callable[[int], None]) -> int:
    """Show every block from `first` to the end of this moment to every check; returns the number of records."""
    counted, place, end = 0, first, await log.end()
    while place < end:
        blocks = [block for block in await log.read(place, _READ_BYTES) if block.start < end]
        if not blocks:
            break
        sizes = [(block.number, len(block.records)) for block in blocks]
        for check in checks:
            for number, count in sizes:
                await check.take(number, count)
        counted += sum(count for _, count in sizes)
        place = blocks[-1].end
        tell(counted)
    return counted


def _log_problems(before: LogState, counted: int, after: LogState) -> list[str]:
    if before.kept <= counted <= after.kept:
        return []
    kept = f"{before.kept}" if before.kept == after.kept else f"{before.kept} to {after.kept}"
    return [f"the log says that it keeps {kept} events, and {counted} were found in it"]


def _rejection_problems(counts: Mapping[str, Count]) -> list[str]:
    return [
        f"of {count.recorded} rejections ({name}), {count.kept} are kept, {count.evicted} were evicted"
        f" and {count.removed} removed: that is {count.kept + count.evicted + count.removed}"
        for name, count in counts.items()
        if count.recorded != count.kept + count.evicted + count.removed
    ]
