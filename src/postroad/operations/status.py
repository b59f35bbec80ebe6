"""How a region is at this moment, for `postroad status`, `/readyz` and `/metrics`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from postroad.clock import Clock
from postroad.errors import StoreError
from postroad.ledger.base import Account, Outcome
from postroad.ledger.hold import holds_of
from postroad.operations.asking import Regions
from postroad.operations.destinations import HELD, WHY_HELD
from postroad.operations.figures import by_destination, figures
from postroad.regions import Region
from postroad.rejections import Count
from postroad.storage.files import free_bytes, is_locked
from postroad.storage.layout import delivery_pulse, ingest_pulse
from postroad.storage.pulse import Pulse, RegionPulse, read_pulse

WAITING: Final = "waiting: "
"""What the state of a loop begins with that waits for a store; see `Worker.state`."""


class DestinationStatus(msgspec.Struct, frozen=True):
    """One destination. `state` is what its loop is doing, or `held: why`: on purpose, or not in the configuration;
    `oldest_age` is in seconds, None when nothing waits. `log_bytes` is about how much of the log it still needs.

    `waiting` counts records not tried yet (and those of frozen batches, which have no outcome while they wait for
    another try), `outcomes` all others by name.
    """

    id: str
    state: str
    waiting: int
    retrying: int
    dead: int
    oldest_age: float | None
    log_bytes: int
    outcomes: Mapping[str, int]

    @property
    def running(self) -> bool:
        """Whether its loop is running and sends: nothing keeps it from it."""
        return self.state.partition(";")[0] == "running"

    @property
    def held(self) -> bool:
        """Whether nothing is sent because the operator holds it, or because it is not in the configuration."""
        return self.state.startswith(HELD)


class RegionStatus(msgspec.Struct, frozen=True):
    """One region. Sizes are bytes, times microseconds.

    `accepting` says whether an event would be taken now, `delivering` whether the delivery process is alive and
    can use the ledger. Only the ingest process knows `queued` and the dedup windows, `window_…` of private sources and
    `public_window_…` of public ones: they are None while nobody accepts. `over_rate` has the requests of each source
    that were answered 429 since it started, where there were any. `trouble` is why a store can't be used: without the
    log, its figures are None; without the ledger, nothing is known of the destinations.
    """

    region: str
    accepting: bool
    delivering: bool
    appended: int | None
    duplicates: int | None
    kept: int | None
    first_at: int | None
    log_size: int | None
    segments: int | None
    window_ids: int | None
    window_since: int | None
    queued: int | None
    free_disk: int
    disk_floor: int
    destinations: Sequence[DestinationStatus]
    trouble: str
    window_crowded: int | None = None
    public_window_ids: int | None = None
    public_window_since: int | None = None
    public_window_crowded: int | None = None
    over_rate: Mapping[str, int] = {}


class StatusReport(msgspec.Struct, frozen=True):
    """What is told of one region. `rejections` has the counts of known sources, strangers and public sources; it is
    empty when they can't be read, which is `trouble` of the region then.
    """

    status: RegionStatus
    rejections: Mapping[str, Count]


async def report(regions: Regions, clock: Clock) -> Sequence[StatusReport]:
    """Return what is told of every region."""
    return [await _report_of(region, clock) for region in regions.values()]


async def look(regions: Iterable[Region], clock: Clock) -> Sequence[RegionStatus]:
    """Return the figures of every region."""
    return [await status_of(region, clock) for region in regions]


async def _report_of(region: Region, clock: Clock) -> StatusReport:
    status = await status_of(region, clock)
    try:
        return StatusReport(status, (await region.rejections.counts())._asdict())
    except StoreError as error:
        told = [] if str(error) in status.trouble else [str(error)]
        trouble = "; ".join(filter(None, [status.trouble, *told]))
        return StatusReport(msgspec.structs.replace(status, trouble=trouble), {})


async def status_of(region: Region, clock: Clock) -> RegionStatus:
    """Return the figures of the moment, from outside of the processes that write the region."""
    name, data_dir, floor = region.name, region.files.data_dir, region.settings.disk_floor
    ingest = read_pulse(ingest_pulse(data_dir), clock)
    delivering = is_locked(region.files.ledger_lock)
    delivery = read_pulse(delivery_pulse(data_dir), clock) if delivering else None
    taking = is_locked(region.files.log_lock)  # at once, where a pulse takes seconds to go stale
    own = ingest.regions.get(name) if ingest and taking else None
    free = free_bytes(data_dir)
    troubles = [pulse.troubles.get(name, "") for pulse in (ingest, delivery) if pulse]
    state, destinations = None, None
    try:
        state = await region.log.state()
    except StoreError as error:
        troubles.append(str(error))
    try:
        destinations = await _destinations(region, delivery)
    except StoreError as error:
        troubles.append(str(error))
    return RegionStatus(
        region=name,
        accepting=own is not None and own.healthy and free > floor,
        delivering=destinations is not None and _delivers(name, delivery),
        appended=state and state.appended,
        duplicates=state and state.duplicates,
        kept=state and state.kept,
        first_at=state and state.first_at,
        log_size=state and state.size,
        segments=state and state.segments,
        free_disk=free,
        disk_floor=floor,
        destinations=destinations or [],
        trouble="; ".join(dict.fromkeys(filter(None, troubles))),
        **_of_ingest(own),
    )


def _of_ingest(own: RegionPulse | None) -> dict[str, Any]:
    """Return what only the ingest process knows, as members of `RegionStatus`."""
    if own is None:
        return {"window_ids": None, "window_since": None, "queued": None}
    private, public = own.windows
    return {
        "window_ids": private.ids,
        "window_since": private.since,
        "window_crowded": private.crowded,
        "public_window_ids": public.ids,
        "public_window_since": public.since,
        "public_window_crowded": public.crowded,
        "queued": own.queued,
        "over_rate": own.over_rate,
    }


def _delivers(region: str, delivery: Pulse | None) -> bool:
    """Tell whether the delivery process is alive and no store keeps every loop of the region from going on."""
    if delivery is None or delivery.troubles.get(region):
        return False
    states = delivery.states.get(region, {}).values()
    return not states or not all(state.startswith(WAITING) for state in states)


async def _destinations(region: Region, delivery: Pulse | None) -> list[DestinationStatus]:
    states = delivery.states.get(region.name, {}) if delivery else {}
    accounts = await region.ledger.accounts()
    found, holds = by_destination(accounts, region.starting_offsets()), holds_of(accounts)

    def state(name: str) -> str:
        if name not in region.configured:
            return WHY_HELD
        told = states.get(name, "not running")
        return told if name not in holds or told.startswith(HELD) else holds[name].sentence

    return [
        await _destination(region, state(name), accounts)
        for name, accounts in found.items()
        if accounts[0].number or name not in region.configured  # else it is about to get its account
    ]


async def _destination(region: Region, state: str, accounts: Sequence[Account]) -> DestinationStatus:
    told = await figures(accounts, region.log, region.ledger)
    return DestinationStatus(
        id=accounts[0].destination,
        state=state,
        waiting=told.waiting,
        retrying=told.outcomes.get(Outcome.RETRY, 0),
        dead=told.outcomes.get(Outcome.DEAD, 0),
        oldest_age=await region.log.age_of(told.floor),
        log_bytes=told.log_bytes,
        outcomes={outcome.name.lower(): count for outcome, count in sorted(told.outcomes.items()) if count},
    )
