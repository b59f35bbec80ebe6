"""The regions' files, opened for reading beside the processes that write them."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from postroad.clock import Clock
from postroad.config import Config
from postroad.config.problems import did_you_mean
from postroad.errors import StoreUnavailable, UsageError
from postroad.regions import Region, open_regions


def regions_of(config: Config, wanted: str | None) -> Sequence[str]:
    """Return the region that is wanted, or all of them. Raises `UsageError` when there is no such region."""
    if wanted is None:
        return list(config.regions)
    if wanted not in config.regions:
        listed = ", ".join(config.regions)
        raise UsageError(f"there is no region {wanted!r}, only {listed}{did_you_mean(wanted, config.regions)}")
    return [wanted]


@contextlib.asynccontextmanager
async def open_stores(config: Config, wanted: str | None, clock: Clock) -> AsyncIterator[Sequence[Region]]:
    """Open one region, or all when `wanted` is None.

    Raises `UsageError` when there is no such region, `StoreUnavailable` when there is no data folder.
    """
    folder = config.server.data_dir
    if not folder.is_dir():
        raise StoreUnavailable(f"there is no data folder {folder}; `postroad serve` makes it")
    async with open_regions(config, regions_of(config, wanted), clock) as regions:
        yield regions
