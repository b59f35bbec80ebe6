"""How a region is at this moment, for `postroad status`, `/readyz` and `/metrics`."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from postroad.clock import Clock
from postroad.errors import StoreError
from postroad.ledger.base import Account, LedgerReader, Outcome
from postroad.log.base import LogReader
from postroad.operations.destinations import WHY_HELD
from postroad.operations.figures import by_destination, figures
from postroad.storage.announced import read_announced
from postroad.storage.files import free_bytes, is_locked
from postroad.storage.layout import delivery_pulse, ingest_pulse, region_files
from postroad.storage.pulse import Pulse, read_pulse

WAITING: Final = "waiting: "
"""What the state of a loop begins with that waits for a store; see `Worker.state`."""


class DestinationStatus(msgspec.Struct, frozen=True):
    """One destination. `state` is what its loop is doing, or that it is held because it is not in the configuration;
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


class RegionStatus(msgspec.Struct, frozen=True):
    """One region. Sizes are bytes, times microseconds.

    `accepting` says whether an event would be taken now, `delivering` whether the delivery process is alive and
    can use the ledger. `window_ids`, `window_since`, `window_crowded` and `queued` are None while nobody accepts: only
    the ingest process knows them. `trouble` is why a store can't be used: without the log, its figures are None;
    without the ledger, nothing is known of the destinations.
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


class RegionView:
    """Looks at one region from outside of the processes that write it."""

    def __init__(
        self,
        region: str,
        data_dir: Path,
        disk_floor: int,
        *,
        configured: Collection[str],
        log: LogReader,
        ledger: LedgerReader,
        clock: Clock,
    ) -> None:
        """`configured` are the ids of the region's destinations."""
        self._region = region
        self._data_dir = data_dir
        self._files = region_files(data_dir, region)
        self._disk_floor = disk_floor
        self._configured = configured
        self._log = log
        self._ledger = ledger
        self._clock = clock

    async def status(self) -> RegionStatus:
        """Return the figures of the moment."""
        ingest = read_pulse(ingest_pulse(self._data_dir), self._clock)
        delivering = is_locked(self._files.ledger_lock)
        delivery = read_pulse(delivery_pulse(self._data_dir), self._clock) if delivering else None
        taking = is_locked(self._files.log_lock)  # at once, where a pulse takes seconds to go stale
        own = ingest.regions.get(self._region) if ingest and taking else None
        window = own.window if own else None
        free = free_bytes(self._data_dir)
        troubles = [pulse.troubles.get(self._region, "") for pulse in (ingest, delivery) if pulse]
        state, destinations = None, None
        try:
            state = await self._log.state()
        except StoreError as error:
            troubles.append(str(error))
        try:
            destinations = await self._destinations(delivery)
        except StoreError as error:
            troubles.append(str(error))
        return RegionStatus(
            region=self._region,
            accepting=own is not None and own.healthy and free > self._disk_floor,
            delivering=destinations is not None and self._delivers(delivery),
            appended=state and state.appended,
            duplicates=state and state.duplicates,
            kept=state and state.kept,
            first_at=state and state.first_at,
            log_size=state and state.size,
            segments=state and state.segments,
            window_ids=window.ids if window else None,
            window_since=window.since if window else None,
            queued=own.queued if own else None,
            free_disk=free,
            disk_floor=self._disk_floor,
            destinations=destinations or [],
            trouble="; ".join(dict.fromkeys(filter(None, troubles))),
            window_crowded=window.crowded if window else None,
        )

    def _delivers(self, delivery: Pulse | None) -> bool:
        """Tell whether the delivery process is alive and no store keeps every loop of the region from going on."""
        if delivery is None or delivery.troubles.get(self._region):
            return False
        states = delivery.states.get(self._region, {}).values()
        return not states or not all(state.startswith(WAITING) for state in states)

    async def _destinations(self, delivery: Pulse | None) -> list[DestinationStatus]:
        states = delivery.states.get(self._region, {}) if delivery else {}
        found = by_destination(await self._ledger.accounts(), read_announced(self._files.announced))
        return [
            await self._destination(
                name, states.get(name, "not running") if name in self._configured else WHY_HELD, accounts
            )
            for name, accounts in found.items()
            if accounts[0].number or name not in self._configured  # else it is about to get its account
        ]

    async def _destination(self, name: str, state: str, accounts: Sequence[Account]) -> DestinationStatus:
        told = await figures(accounts, self._log, self._ledger)
        return DestinationStatus(
            id=name,
            state=state,
            waiting=told.waiting,
            retrying=told.outcomes.get(Outcome.RETRY, 0),
            dead=told.outcomes.get(Outcome.DEAD, 0),
            oldest_age=await self._log.age_of(told.floor),
            log_bytes=told.log_bytes,
            outcomes={outcome.name.lower(): count for outcome, count in sorted(told.outcomes.items()) if count},
        )
