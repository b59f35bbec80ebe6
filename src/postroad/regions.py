"""What a region keeps, and who opens it: the one place that knows which engine a region has.

Everybody else is given a `Region`, or what one process alone writes of it, and knows only the ports of the log, the
ledger and the rejections. Another engine is another way to make these values.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import structlog

from postroad.clock import Clock
from postroad.config import model
from postroad.errors import StoreError
from postroad.ledger import base as ledgers
from postroad.ledger.base import Ledger, LedgerReader
from postroad.ledger.needs import needed_from
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import Block, LogReader, number_of
from postroad.log.embedded.copying import copy_log
from postroad.log.embedded.hashes import wrong_hashes
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.reader import SqliteLogReader
from postroad.log.late import LateLog
from postroad.rejections import DEFAULT_QUOTAS, Quota, Quotas, Rejections, RejectionsReader
from postroad.storage.copying import Copying
from postroad.storage.layout import RegionFiles, region_files
from postroad.storage.starting_offsets import read_starting_offsets, write_starting_offsets

Snapshot = Callable[[], AbstractAsyncContextManager[LedgerReader]]
"""Makes a view of the ledger as it is when entered, which does not change until it is left."""

Tell = Callable[[Block, str], None]
"""Called with a stretch of the log that can't be read, and why."""

_DEFAULTS: Final = model.Region()


@dataclass(frozen=True, kw_only=True)
class Region:
    """One region, to be read beside the processes that write it. Nothing is created by reading.

    `settings` are those of its table, or the defaults where it has none; `configured` are the ids of its destinations.
    `wrong_hashes` yields each block of the log that has wrong hashes of its keys, by number, and how many; it blocks.
    """

    name: str
    files: RegionFiles
    settings: model.Region = _DEFAULTS
    configured: Collection[str] = ()
    log: LogReader
    ledger: LedgerReader
    rejections: RejectionsReader
    snapshot: Snapshot
    wrong_hashes: Callable[[], Iterable[tuple[int, int]]] = tuple

    def starting_offsets(self) -> Mapping[str, int]:
        """Return from which offset on each destination is owed events; see `postroad.storage.starting_offsets`."""
        return read_starting_offsets(self.files.starting_offsets)

    async def close(self) -> None:
        """Let the files go. Safe to call twice."""
        await self.log.close()
        await self.ledger.close()


class Owed:
    """Which destinations a region's events are owed to, as the ingest process writes it down.

    Once the log is open `change` writes; before, that is done when it opens.
    """

    def __init__(self, region: Region, former_ids: Mapping[str, str]) -> None:
        """`former_ids` has what destinations were called before, by id."""
        self._path = region.files.starting_offsets
        self._log = region.log
        self._destinations, self._former_ids = region.configured, former_ids

    async def write(self) -> None:
        """Write it down. Raises `StoreError` and `OSError`."""
        write_starting_offsets(self._path, self._destinations, await self._log.end(), self._former_ids)

    async def change(self, destinations: Collection[str], former_ids: Mapping[str, str], *, now: bool) -> None:
        """Take over other destinations, and write that down `now`, or when the log opens. Raises as `write` does."""
        self._destinations, self._former_ids = destinations, former_ids
        if now:
            await self.write()


class IngestStores(NamedTuple):
    """What the ingest process alone writes of a region."""

    log: LateLog
    rejections: Rejections

    @property
    def trouble(self) -> str:
        """Why a store can't be written now; empty when all can."""
        return "; ".join(filter(None, (self.log.trouble, self.rejections.trouble)))


class DeliveryStores(NamedTuple):
    """The ledger, which the delivery process alone writes, and the log as its loops read it: apart from `Region.log`,
    so that no question of an operator holds them up.
    """

    log: LogReader
    ledger: Ledger


def open_region(
    name: str, files: RegionFiles, clock: Clock, settings: model.Region = _DEFAULTS, configured: Collection[str] = ()
) -> Region:
    """Open what is kept in these files, which need not be there yet. Close it after use."""
    return Region(
        name=name,
        files=files,
        settings=settings,
        configured=configured,
        log=SqliteLogReader(files.log, clock),
        ledger=SqliteLedgerReader(files.ledger),
        rejections=RejectionsReader(files.rejections),
        snapshot=partial(_snapshot, files),
        wrong_hashes=partial(wrong_hashes, files.log),
    )


@contextlib.asynccontextmanager
async def open_regions(config: model.Config, names: Iterable[str], clock: Clock) -> AsyncIterator[Sequence[Region]]:
    """Open regions for reading, in this order: those of the configuration, or what is left in the data folder of one
    that was there before.
    """
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for name in names:
            files, settings = region_files(config.server.data_dir, name), config.regions.get(name, _DEFAULTS)
            opened.append(open_region(name, files, clock, settings, config.destinations_in(name)))
            stack.push_async_callback(opened[-1].close)
        yield opened


@contextlib.asynccontextmanager
async def open_for_ingest(region: Region, owed: Owed, clock: Clock) -> AsyncIterator[IngestStores]:
    """Open what the ingest process writes, and write down to which destinations the region's events are owed.

    A store that can't be opened is in `trouble`, refuses what needs it, and opens with a later `check`. Raises
    `StoreLocked` and `StoreVersion`.
    """
    async with contextlib.AsyncExitStack() as stack:
        log = LateLog(partial(_open_log, region, clock), owed.write)
        await log.open()
        stack.push_async_callback(log.close)
        rejections = Rejections.open(region.files.rejections, _quotas(region.settings.rejections))
        stack.push_async_callback(rejections.close)
        yield IngestStores(log, rejections)


@contextlib.asynccontextmanager
async def open_for_delivery(region: Region, tell: Tell, clock: Clock) -> AsyncIterator[DeliveryStores]:
    """Open what the delivery process needs. `tell` is told, once, of each stretch of the log that can't be read.

    A ledger that can't be used is in `trouble`, and heals with a later `check`. Raises `StoreLocked` and
    `StoreVersion`.
    """
    path, quota = region.files.ledger, region.settings.dead_letters
    is_new = not (path.exists() and path.stat().st_size)
    ledger = SqliteLedger.open(path, quota=ledgers.Quota(quota.rows, quota.bytes))
    log = SqliteLogReader(region.files.log, clock, tell=tell)
    try:
        if is_new:
            await _tell_of_loss(region.name, log)
        yield DeliveryStores(log, ledger)
    finally:
        await log.close()
        await ledger.close()


async def copy_stores(source: RegionFiles, target: RegionFiles, copying: Copying) -> bool:
    """Copy the ledger, then the log, beside those who write them. Returns False when retention removed meanwhile what
    the copied ledger still needs: the copy is of no use then.

    Raises `StoreError` and `OSError`.
    """
    await asyncio.to_thread(copying.database, source.ledger, target.ledger)
    first = await asyncio.to_thread(copy_log, source.log, target.log, copying)
    if first is None:
        return True
    ledger = SqliteLedgerReader(target.ledger)
    try:
        return all(number_of(offset) >= first for offset in await needed_from(ledger))
    finally:
        await ledger.close()


@contextlib.asynccontextmanager
async def _snapshot(files: RegionFiles) -> AsyncIterator[LedgerReader]:
    ledger = SqliteLedgerReader(files.ledger)
    try:
        await ledger.freeze()
        yield ledger
    finally:
        await ledger.close()


async def _open_log(region: Region, clock: Clock) -> SqliteLog:
    files, settings = region.files, region.settings
    files.folder.mkdir(mode=0o700, exist_ok=True)
    known_end = max([await _known_to(region.ledger), *region.starting_offsets().values()])
    options = LogOptions(
        window_age=settings.dedup_window,
        window_ids=settings.dedup_max_ids,
        segment_bytes=settings.segment_bytes,
        segment_age=settings.segment_age,
        disk_floor=settings.disk_floor,
        max_queue=settings.max_queue,
    )
    return await asyncio.to_thread(SqliteLog.open, files.log, clock, options, known_end=known_end)


async def _known_to(ledger: LedgerReader) -> int:
    """Return an offset above what the ledger knows of the log. A ledger that can't be read is no reason to refuse
    events: the log has written down itself where it ended.
    """
    try:
        return await ledger.end()
    except StoreError as error:
        structlog.get_logger("postroad.log").warning("the log opens without the ledger's word", reason=str(error))
        return 0


def _quotas(limits: model.Rejections) -> Quotas:
    return Quotas(
        known=Quota(limits.known_rows, limits.known_bytes),
        strangers=DEFAULT_QUOTAS.strangers._replace(rows=limits.stranger_rows),
        public=Quota(limits.public_rows, limits.public_bytes),
    )


async def _tell_of_loss(region: str, log: LogReader) -> None:
    with contextlib.suppress(StoreError):  # a log that can't be read is told elsewhere
        if (await log.state()).appended:
            structlog.get_logger("postroad.delivery").warning(
                "there was no ledger, and the log has events: a new one begins, which knows only of what is owed since"
                " its destinations were configured; what was delivered of that before is delivered again",
                region=region,
            )
