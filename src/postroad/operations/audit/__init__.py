"""Whether the books balance: every accepted event has exactly one state at every destination that was there.

It reads the log once and walks along it through the books of every account; nothing is trusted that can be
counted. Memory stays the same however long the log is.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

import msgspec

from postroad.errors import StoreError, StoreUnavailable, StoreVersion
from postroad.ledger.base import LedgerReader
from postroad.log.base import Block, LogReader, LogState, number_of, offset_of
from postroad.operations.asking import Regions
from postroad.operations.audit.books import AccountBooks, AccountCheck
from postroad.operations.audit.evidence import (
    Expected,
    hash_evidence,
    ledger_evidence,
    log_evidence,
    rejection_evidence,
)
from postroad.operations.audit.losses import blocks_in_words, share_of
from postroad.regions import Region
from postroad.rejections import Count

Follow = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""Shows how far the audit of a region has come, while it is entered."""

_READ_BYTES: Final = 4 * 1024 * 1024
_LOOKS: Final = 3
_PAGE: Final = 1000


class LostStretch(msgspec.Struct, frozen=True):
    """A part of the log that can't be read: its first and last block, and how many events are gone with it."""

    first: int
    last: int
    events: int

    @property
    def blocks(self) -> str:
        """Its blocks, in words."""
        return blocks_in_words(offset_of(self.first, 0), offset_of(self.last + 1, 0))


class RegionBooks(msgspec.Struct, frozen=True):
    """The books of one region. `accepted` is every event ever stored, `kept` those that were found in the log, `lost`
    what it can't read.

    `rejections` has the counts of known sources, strangers and public sources. `problems` are those of the log and of
    the rejections; each account has its own.
    """

    region: str
    balanced: bool
    accepted: int
    duplicates: int
    kept: int
    lost: Sequence[LostStretch]
    accounts: Sequence[AccountBooks]
    rejections: Mapping[str, Count]
    problems: Sequence[str]


class Audit(msgspec.Struct, frozen=True):
    """The books of all regions that were asked for."""

    balanced: bool
    regions: Sequence[RegionBooks]


async def audit_all(regions: Regions, follow: Follow) -> Audit:
    """Return the books of these regions, read one by one: a file of one that can't be read is a problem of that one.
    `follow` is entered for each with its name, and yields the `tell` of `audit`. Raises `StoreVersion`.
    """
    found = []
    for name, region in regions.items():
        with follow(name) as tell:
            try:
                found.append(await audit(region, tell))
            except StoreVersion:
                raise
            except StoreError as error:
                found.append(_unread(name, f"can't be audited: {error}"))
    return Audit(all(books.balanced for books in found), found)


def _unread(region: str, why: str) -> RegionBooks:
    """Return the books of a region whose files can't be read: nothing of it can be said to balance."""
    return RegionBooks(
        region=region,
        balanced=False,
        accepted=0,
        duplicates=0,
        kept=0,
        lost=(),
        accounts=(),
        rejections={},
        problems=[why],
    )


async def audit(region: Region, tell: Callable[[int, int], None] = lambda _done, _all: None) -> RegionBooks:
    """Return the books of one region. `tell` is called with the number of events compared, and of all there are.

    Raises `StoreError` when a file can't be read.
    """
    for _ in range(_LOOKS):
        found = await _look(region, tell)
        if found is not None:
            problems = await asyncio.to_thread(lambda: hash_evidence(region.wrong_hashes()))
            balanced = found.balanced and not problems
            return msgspec.structs.replace(found, balanced=balanced, problems=[*found.problems, *problems])
    raise StoreUnavailable("retention kept removing events while they were being counted; ask again")


async def _look(region: Region, tell: Callable[[int, int], None]) -> RegionBooks | None:
    """Look once; None when retention removed events meanwhile, so that what was read doesn't fit together."""
    log, had_ledger = region.log, region.files.ledger_lock.exists()
    expected = Expected(region.configured, region.starting_offsets(), had_ledger)
    first = await log.first()
    async with region.snapshot() as ledger:  # before the log's end is asked: nobody can have settled what comes after
        before = await log.state()
        accounts = await ledger.accounts()
        checks = [AccountCheck(one, ledger, first, await ledger.lost(one.number)) for one in accounts]
        walk = _Walk(log, ledger, checks)
        await walk.go(first, lambda done: tell(done, before.kept))
        after = await log.state()
        if await log.first() != first:
            return None
        retired = after.appended - after.kept
        found = [await check.finish(retired) for check in checks]
        problems = await ledger_evidence(log, ledger, expected, after.appended)
    problems = [*await log_evidence(log, after.appended), *walk.compare(before, after), *problems]
    counts, there = await region.rejections.counted()
    problems += rejection_evidence(counts, there)
    return RegionBooks(
        region=region.name,
        balanced=not problems and all(account.balanced for account in found),
        accepted=retired + walk.counted + sum(one.events for one in walk.lost),
        duplicates=after.duplicates,
        kept=walk.counted,
        lost=walk.lost,
        accounts=found,
        rejections=counts._asdict(),
        problems=problems,
    )


class _Walk:
    """Shows every block of a log, from a first one to the end of this moment, to every check."""

    def __init__(self, log: LogReader, ledger: LedgerReader, checks: Sequence[AccountCheck]) -> None:
        self._log = log
        self._ledger = ledger
        self._checks = checks
        self.counted = 0
        """Events that could be read."""
        self.lost: list[LostStretch] = []
        """Those that could not."""
        self._problems: list[str] = []

    async def go(self, first: int, tell: Callable[[int], None]) -> None:
        """Walk."""
        place, end = first, await self._log.end()
        while place < end:
            blocks = [block for block in await self._log.read(place, _READ_BYTES) if block.start < end]
            if not blocks:
                break
            for block in blocks:
                await self._show(block)
            place = blocks[-1].end
            tell(self.counted)

    def compare(self, before: LogState, after: LogState) -> list[str]:
        """Return what is wrong with the number of events, as the log had it before and after."""
        found = self.counted + sum(one.events for one in self.lost)
        if before.kept <= found <= after.kept:
            return self._problems
        kept = f"{before.kept}" if before.kept == after.kept else f"{before.kept} to {after.kept}"
        return [*self._problems, f"the log says that it keeps {kept} events, and {found} were found in it"]

    async def _show(self, block: Block) -> None:
        if not block.lost:
            self.counted += len(block.records)
            for check in self._checks:
                await check.take(block.number, len(block.records))
            return
        self.lost.append(LostStretch(block.number, number_of(block.end) - 1, block.lost))
        sizes = await self._sizes(block)
        touched = [await check.take_lost(block, sizes) for check in self._checks]
        if not any(touched):
            where = self.lost[-1].blocks
            self._problems.append(
                f"{block.lost} events of {where} are gone from the log or can't be read: what was owed of them was"
                " settled before, and nothing of it can be shown or replayed"
            )

    async def _sizes(self, stretch: Block) -> Mapping[int, int]:
        """Return how many events have those blocks of a stretch that any account knows; none where nobody asks."""
        shares = [share_of(check.account, stretch) for check in self._checks]
        sizes: dict[int, int] = {}
        if all(share is None or share.whole for share in shares):
            return sizes
        for check in self._checks:
            after, last = stretch.number - 1, number_of(stretch.end) - 1
            while page := await self._ledger.blocks(check.account.number, after=after, limit=_PAGE):
                sizes.update(
                    {number: max(len(codes), sizes.get(number, 0)) for number, codes in page if number <= last}
                )
                after = page[-1][0]
                if after >= last:
                    break
        return sizes
