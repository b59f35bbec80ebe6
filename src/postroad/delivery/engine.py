"""All workers of one region: started, watched, poked and stopped together."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from postroad.clock import Clock
from postroad.delivery.accounts import open_accounts
from postroad.delivery.worker import Plan, Worker
from postroad.destinations.base import Destination
from postroad.errors import StoreError
from postroad.ledger.base import Ledger
from postroad.log.base import LogReader

_AGAIN_AFTER = 1.0


class Service(NamedTuple):
    """One configured destination: how it is served, how it is made, where a new one starts."""

    plan: Plan
    make: Callable[[], Destination]
    from_beginning: bool


class Engine:
    """Delivers one region's log to its destinations."""

    def __init__(self, services: Sequence[Service], log: LogReader, ledger: Ledger, clock: Clock) -> None:
        self._services = {service.plan.destination: service for service in services}
        self._log = log
        self._ledger = ledger
        self._clock = clock
        self._workers: dict[str, Worker] = {}
        self._states = dict.fromkeys(self._services, "starting")
        self._logger = structlog.get_logger("postroad.delivery")

    async def run(self) -> None:
        """Deliver until cancelled, then end in order."""
        await self._open_accounts()
        tasks = [asyncio.create_task(self._serve(service)) for service in self._services.values()]
        try:
            await asyncio.gather(*tasks)
            await asyncio.Event().wait()  # no destinations: nothing to do, but not an end
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def poke(self, destination: str) -> None:
        """Tell a destination's worker that the ledger changed behind its back."""
        worker = self._workers.get(destination)
        if worker is not None:
            worker.poke()

    def states(self) -> Mapping[str, str]:
        """Return, for people, what each destination's worker is doing."""
        return self._states | {name: worker.state for name, worker in self._workers.items()}

    async def _open_accounts(self) -> None:
        wanted = [(name, service.from_beginning) for name, service in self._services.items()]
        while True:
            try:
                await open_accounts(wanted, self._log, self._ledger, self._clock)
            except StoreError as error:
                self._logger.warning("the accounts can't be opened; deliveries wait", reason=str(error))
                self._states = dict.fromkeys(self._services, f"waiting: {error}")
                await self._clock.sleep(_AGAIN_AFTER)
            else:
                return

    async def _make(self, service: Service) -> Worker:
        accounts = await self._ledger.accounts()
        name = service.plan.destination
        account = next(a for a in accounts if a.destination == name and a.replay is None and a.end is None)
        return Worker(service.plan, account, service.make(), log=self._log, ledger=self._ledger, clock=self._clock)

    async def _serve(self, service: Service) -> None:
        """Run a destination's worker; after a bug in it, start over from what the ledger has."""
        name = service.plan.destination
        while True:
            try:
                worker = await self._make(service)
                self._workers[name] = worker
                await worker.run()
            except StoreError as error:
                self._logger.warning("a delivery loop can't start yet", destination=name, reason=str(error))
                self._states[name] = f"waiting: {error}"
            except Exception as error:
                self._logger.exception("a delivery loop failed and is started again", destination=name)
                self._states[name] = f"failed: {type(error).__name__}"
            self._workers.pop(name, None)
            await self._clock.sleep(_AGAIN_AFTER)
