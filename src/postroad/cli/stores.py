"""The regions' files, opened for reading beside the processes that write them."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from postroad.clock import Clock
from postroad.config import Config
from postroad.config.problems import did_you_mean
from postroad.errors import StoreUnavailable, UsageError
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.log.embedded.reader import SqliteLogReader
from postroad.rejections import RejectionsReader
from postroad.storage.layout import RegionFiles, region_files


class Stores(NamedTuple):
    """What one region keeps."""

    region: str
    files: RegionFiles
    log: SqliteLogReader
    ledger: SqliteLedgerReader
    rejections: RejectionsReader


def regions_of(config: Config, wanted: str | None) -> Sequence[str]:
    """Return the region that is wanted, or all of them. Raises `UsageError` when there is no such region."""
    if wanted is None:
        return list(config.regions)
    if wanted not in config.regions:
        listed = ", ".join(config.regions)
        raise UsageError(f"there is no region {wanted!r}, only {listed}{did_you_mean(wanted, config.regions)}")
    return [wanted]


@contextlib.asynccontextmanager
async def open_stores(config: Config, wanted: str | None, clock: Clock) -> AsyncIterator[Sequence[Stores]]:
    """Open one region, or all when `wanted` is None.

    Raises `UsageError` when there is no such region, `StoreUnavailable` when there is no data folder.
    """
    folder = config.server.data_dir
    if not folder.is_dir():
        raise StoreUnavailable(f"there is no data folder {folder}; `postroad serve` makes it")
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for name in regions_of(config, wanted):
            files = region_files(folder, name)
            log, ledger = SqliteLogReader(files.log, clock), SqliteLedgerReader(files.ledger)
            stack.push_async_callback(log.close)
            stack.push_async_callback(ledger.close)
            opened.append(Stores(name, files, log, ledger, RejectionsReader(files.rejections)))
        yield opened


@contextlib.asynccontextmanager
async def frozen_ledger(files: RegionFiles) -> AsyncIterator[SqliteLedgerReader]:
    """Open a ledger as it is at this moment; it stays so until it is left."""
    ledger = SqliteLedgerReader(files.ledger)
    try:
        await ledger.freeze()
        yield ledger
    finally:
        await ledger.close()
