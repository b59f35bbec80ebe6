"""Who is owed events: the destinations that are served, those that are held, and those that are being written off."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from postroad.ledger.base import ABANDONED, Account, LedgerReader, Outcome
from postroad.ledger.hold import holds_of
from postroad.ledger.needs import needs
from postroad.operations.asking import Asked, Delivered, Regions, chosen
from postroad.operations.figures import by_destination, figures, waiting_in
from postroad.regions import Region
from postroad.storage.layout import region_files

SERVED: Final = "served"
HELD: Final = "held"
MOST_WORDS: Final = 1000
"""Characters that may be said of a hold."""
WHY_HELD: Final = "held: not in the configuration"
"""The state of a destination that is gone from the configuration: what it is owed is kept, and nobody sends it."""
NO_REGION: Final = "held: its region is not in the configuration"


class OnHold(msgspec.Struct, frozen=True):
    """Since when (microseconds), and by whom and why as far as that was said."""

    at: int
    by: str
    why: str


class DestinationEntry(msgspec.Struct, frozen=True):
    """One destination of one region.

    `state` is `served`, `held: why` or `abandoned: …` while that is being written off. `heir` is the configured
    destination that takes it over at the next start, None when none does. `waiting` events were not tried yet,
    `retrying` wait for another try, `dead` are dead letters, `replays` still owe something. `log_bytes` is about how
    much of the log it still needs, `on_backlog_full` what it may hold back. `hold` is there while the operator
    holds it.
    """

    region: str
    id: str
    state: str
    heir: str | None
    waiting: int
    retrying: int
    dead: int
    replays: int
    log_bytes: int
    on_backlog_full: str
    hold: OnHold | None = None

    @property
    def held(self) -> bool:
        """Whether nobody sends what it is owed."""
        return self.state.startswith(HELD)

    @property
    def gone(self) -> bool:
        """Whether it is held because it is not in the configuration."""
        return self.state in {WHY_HELD, NO_REGION}


class DestinationPlace(Asked, frozen=True):
    """One destination."""

    region: str
    name: str


class HoldWanted(DestinationPlace, frozen=True):
    """A destination to hold; `by` and `why` are for whoever looks at it later."""

    by: Annotated[str, msgspec.Meta(max_length=MOST_WORDS)] = ""
    why: Annotated[str, msgspec.Meta(max_length=MOST_WORDS)] = ""


class Held(msgspec.Struct, frozen=True):
    """Nothing more is sent to a destination; what is under way ends."""


class Released(msgspec.Struct, frozen=True):
    """A destination goes on."""


class Tried(msgspec.Struct, frozen=True):
    """A destination is tried now; `due` retries don't wait for their time any more. Status says what comes of it."""

    due: int


class DestinationsPage(msgspec.Struct, frozen=True):
    """All destinations that are owed events: served, held, or abandoned and being written off."""

    destinations: Sequence[DestinationEntry]


class Abandoned(msgspec.Struct, frozen=True):
    """A destination is owed nothing more; what becomes of each event is written down after the answer."""


async def list_destinations(regions: Regions) -> DestinationsPage:
    """Return all destinations by region. Raises `StoreError`."""
    return DestinationsPage([one for region in regions.values() for one in await destinations(region)])


async def abandon(delivered: Delivered, place: DestinationPlace) -> Abandoned:
    """Give up what a held destination is owed. Raises `UsageError` for any other, and `StoreError`; ask again then."""
    await chosen(delivered, place.region)[place.region].engine.abandon(place.name)
    return Abandoned()


async def hold(delivered: Delivered, wanted: HoldWanted) -> Held:
    """Send nothing more to a destination until it is released. Raises `UsageError` and `StoreError`."""
    engine = chosen(delivered, wanted.region)[wanted.region].engine
    await engine.hold(wanted.name, by=wanted.by, why=wanted.why)
    return Held()


async def release(delivered: Delivered, place: DestinationPlace) -> Released:
    """End a hold. Raises `UsageError` for a destination that is not on hold, and `StoreError`."""
    await chosen(delivered, place.region)[place.region].engine.release(place.name)
    return Released()


async def try_now(delivered: Delivered, place: DestinationPlace) -> Tried:
    """Probe a destination at once. Raises `UsageError` for one that is not configured, and `StoreError`."""
    return Tried(await chosen(delivered, place.region)[place.region].engine.try_now(place.name))


async def destinations(
    region: Region, *, former_ids: Mapping[str, str] = MappingProxyType({}), unserved: str = WHY_HELD
) -> Sequence[DestinationEntry]:
    """Return the destinations of a region by id, then what is being written off. `former_ids` has what configured ones
    were called before, `unserved` is the state of those that are not configured. Raises `StoreError`.
    """
    log, ledger = region.log, region.ledger
    accounts = await ledger.accounts()
    heirs = {old: new for new, old in former_ids.items()}
    found, holds = [], holds_of(accounts)
    for name, mine in sorted(by_destination(accounts, region.starting_offsets()).items()):
        told, hold = await figures(mine, log, ledger), holds.get(name)
        serving = SERVED if hold is None else hold.sentence
        found.append(
            DestinationEntry(
                region=region.name,
                id=name,
                state=serving if name in region.configured else unserved,
                heir=heirs.get(name),
                waiting=told.waiting,
                retrying=told.outcomes.get(Outcome.RETRY, 0),
                dead=told.outcomes.get(Outcome.DEAD, 0),
                replays=len([one for one in accounts if _is_replay(one, name) and await needs(one, ledger)]),
                log_bytes=told.log_bytes,
                on_backlog_full=mine[0].policy,
                hold=None if hold is None else OnHold(*hold),
            )
        )
    return [*found, *[await _written_off(region, one) for one in accounts if await _is_left(one, ledger)]]


def folders(data_dir: Path) -> Sequence[str]:
    """Return the names of the folders in a data folder that hold a region's log or ledger."""
    if not data_dir.is_dir():
        return []
    places = [region_files(data_dir, path.name) for path in data_dir.iterdir() if path.is_dir()]
    return sorted(place.folder.name for place in places if place.ledger.exists() or place.log.exists())


def _is_replay(account: Account, destination: str) -> bool:
    return account.destination == destination and account.replay is not None and account.ended_by != ABANDONED


async def _is_left(account: Account, ledger: LedgerReader) -> bool:
    return account.ended_by == ABANDONED and await needs(account, ledger)


async def _written_off(region: Region, account: Account) -> DestinationEntry:
    totals = await region.ledger.totals(account.number)
    return DestinationEntry(
        region=region.name,
        id=account.destination,
        state="abandoned: being written off",
        heir=None,
        waiting=await waiting_in(account, region.log, region.ledger),
        retrying=totals.get(Outcome.RETRY, 0),
        dead=totals.get(Outcome.DEAD, 0),
        replays=int(account.replay is not None),
        log_bytes=0,
        on_backlog_full=account.policy,
    )
