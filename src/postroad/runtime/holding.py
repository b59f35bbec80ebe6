"""Looking into the data folder for what is owed to destinations that the configuration doesn't have."""

from collections.abc import AsyncIterator, Iterable

import structlog

from postroad.clock import Clock
from postroad.config.model import Config
from postroad.errors import StoreError
from postroad.operations.destinations import NO_REGION, WHY_HELD, DestinationEntry, destinations, folders
from postroad.regions import open_regions


async def in_folder(config: Config, clock: Clock) -> AsyncIterator[DestinationEntry | StoreError]:
    """Yield the destinations of every region in the data folder, also of regions that are not configured; where one
    can't be read, why. Creates nothing.
    """
    others = [name for name in folders(config.server.data_dir) if name not in config.regions]
    async with open_regions(config, [*config.regions, *others], clock) as regions:
        for region in regions:
            unserved = WHY_HELD if region.name in config.regions else NO_REGION
            try:
                found = await destinations(region, former_ids=config.former_ids_in(region.name), unserved=unserved)
            except StoreError as error:
                yield error
            else:
                for entry in found:
                    yield entry


def held(entries: Iterable[DestinationEntry | StoreError]) -> list[str]:
    """Return a sentence for each destination in the data folder that is held or about to be taken over."""
    return [
        f"what is owed can't be looked at: {entry}" if isinstance(entry, StoreError) else _sentence(entry)
        for entry in entries
        if isinstance(entry, StoreError) or (entry.held and _is_told(entry))
    ]


async def warn_of_held(config: Config, clock: Clock) -> None:
    """Log a warning for each of them."""
    logger = structlog.get_logger("postroad.delivery")
    for sentence in held([entry async for entry in in_folder(config, clock)]):
        logger.warning(sentence)


def _is_told(entry: DestinationEntry) -> bool:
    """One whose region is gone is owed nothing new: there may be nothing to tell."""
    return entry.state != NO_REGION or bool(entry.waiting or entry.retrying or entry.replays)


def _sentence(entry: DestinationEntry) -> str:
    place = f"destination {entry.id!r} of region {entry.region!r}"
    owed = f"{entry.waiting} waiting events and {entry.retrying} retries"
    if entry.replays:
        owed += f" and {entry.replays} replays"
    if entry.heir is not None:
        return f"{place} is taken over by {entry.heir!r}, with {owed}"
    if entry.state == NO_REGION:
        return f"{place} is held: its region is not in the configuration; {owed} are kept in its folder"
    if not entry.gone:
        kept = f"{owed} are kept for it, and so is what comes, until `postroad release {entry.id}`"
        return f"{place} is {entry.state}; {kept}"
    return (
        f"{place} is held: it is not in the configuration; {owed} are kept for it, and so is what comes. Put its table"
        " back, say `was` in the table of its new id, or `postroad destinations abandon` it"
    )
