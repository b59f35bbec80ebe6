"""The stores that the ingest process holds open for each region, and the loops that look after them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import structlog

from postroad.clock import Clock
from postroad.config.model import Config, Region
from postroad.errors import StoreError
from postroad.ledger.base import LedgerReader
from postroad.ledger.needs import needed_from
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.reader import SqliteLogReader
from postroad.rejections import DEFAULT_QUOTAS, Quota, Quotas, Rejections, RejectionsReader
from postroad.runtime.healing import heal
from postroad.runtime.late_log import LateLog
from postroad.storage.announced import announce, read_announced
from postroad.storage.layout import RegionFiles, region_files

_RETIRE_EVERY: Final = 60.0
_RECORD_EVERY: Final = 1.0
_NO_FLOOR: Final = 1 << 62


class OpenRegion(NamedTuple):
    """One region, as this process writes and reads it."""

    files: RegionFiles
    settings: Region
    has_destinations: bool
    log: LateLog
    rejections: Rejections
    rejected: RejectionsReader
    ledger: LedgerReader

    @property
    def trouble(self) -> str:
        """Why a store can't be written now; empty when all can."""
        return "; ".join(filter(None, (self.log.trouble, self.rejections.trouble)))


@contextlib.asynccontextmanager
async def open_regions(config: Config, clock: Clock) -> AsyncIterator[dict[str, OpenRegion]]:
    """Open the stores of every region, and announce its destinations.

    What can't be opened is that region's trouble alone: it refuses what needs it, and `loops_of` its region
    tries again. Raises `StoreLocked` and `StoreVersion`.
    """
    async with contextlib.AsyncExitStack() as stack:
        regions = {}
        for name, settings in config.regions.items():
            files = region_files(config.server.data_dir, name)
            destinations = config.destinations_in(name)
            ledger = SqliteLedgerReader(files.ledger)
            stack.push_async_callback(ledger.close)
            make = partial(_open_log, files, settings, ledger, clock)
            announcing = partial(_announce, files, destinations, config.former_ids_in(name), clock)
            log = LateLog(make, announcing)
            await log.open()
            stack.push_async_callback(log.close)
            rejections = Rejections.open(files.rejections, _quotas(settings))
            stack.push_async_callback(rejections.close)
            rejected = RejectionsReader(files.rejections)
            regions[name] = OpenRegion(files, settings, bool(destinations), log, rejections, rejected, ledger)
        yield regions


def loops_of(name: str, region: OpenRegion, clock: Clock) -> Sequence[Coroutine[Any, Any, None]]:
    """Return what has to run beside a region's stores."""
    return (
        retire(region, clock),
        record_ends(region, clock),
        heal(name, "log", region.log, clock),
        heal(name, "rejections", region.rejections, clock),
    )


async def _open_log(files: RegionFiles, region: Region, ledger: LedgerReader, clock: Clock) -> SqliteLog:
    files.folder.mkdir(mode=0o700, exist_ok=True)
    known_end = max([await _known_to(ledger), *read_announced(files.announced).values()])
    return await asyncio.to_thread(SqliteLog.open, files.log, clock, _log_options(region), known_end=known_end)


async def _known_to(ledger: LedgerReader) -> int:
    """Return an offset above what the ledger knows of the log. A ledger that can't be read is no reason to refuse
    events: the log has written down itself where it ended.
    """
    try:
        return await ledger.end()
    except StoreError as error:
        structlog.get_logger("postroad.log").warning("the log opens without the ledger's word", reason=str(error))
        return 0


def _log_options(region: Region) -> LogOptions:
    return LogOptions(
        window_age=region.dedup_window,
        window_ids=region.dedup_max_ids,
        segment_bytes=region.segment_bytes,
        segment_age=region.segment_age,
        disk_floor=region.disk_floor,
        max_queue=region.max_queue,
    )


def _quotas(region: Region) -> Quotas:
    limits = region.rejections
    return Quotas(
        known=Quota(limits.known_rows, limits.known_bytes),
        strangers=DEFAULT_QUOTAS.strangers._replace(rows=limits.stranger_rows),
    )


async def _announce(
    files: RegionFiles, destinations: Iterable[str], former_ids: Mapping[str, str], clock: Clock
) -> None:
    """Say, before anything comes, which destinations are owed what comes from now on."""
    reader = SqliteLogReader(files.log, clock)
    try:
        announce(files.announced, destinations, await reader.end(), former_ids)
    finally:
        await reader.close()


async def retire(region: OpenRegion, clock: Clock) -> None:
    """Remove, for ever, segments past their retention that every destination has passed."""
    logger = structlog.get_logger("postroad.log")
    while True:
        await clock.sleep(_RETIRE_EVERY)
        try:
            gone = await _retire_once(region)
        except StoreError as error:
            logger.warning("retention waits, because a store can't be used", reason=str(error))
        else:
            if gone:
                logger.info("retention removed events", events=gone)


async def record_ends(region: OpenRegion, clock: Clock) -> None:
    """Write down, for ever, where the log begins and ends, so that what goes behind our back is missed."""
    logger = structlog.get_logger("postroad.log")
    told = False
    while True:
        await clock.sleep(_RECORD_EVERY)
        try:
            await region.log.record_end()
        except StoreError as error:
            if not told:
                logger.warning("where the log ends can't be written down now", reason=str(error))
            told = True
        else:
            told = False


async def _retire_once(region: OpenRegion) -> int:
    needed = await needed_from(region.ledger, read_announced(region.files.announced))
    if not needed and region.has_destinations:
        return 0  # the first start is still under way: the delivery process has opened no account yet
    return await region.log.retire(min(needed, default=_NO_FLOOR), region.settings.retention)
