"""All workers of one region: started, watched, poked and stopped together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import structlog

from postroad.clock import Clock
from postroad.delivery.accounts import Wanted, belong, end_accounts, keep_belonging, open_accounts, owing
from postroad.delivery.bounded import BoundedAccounts
from postroad.delivery.giving_up import EXPIRE_EVERY, GivingUp
from postroad.delivery.holds import Holds
from postroad.delivery.plan import Plan
from postroad.delivery.replays import Replays
from postroad.delivery.routing import Replay
from postroad.delivery.serving import Serving, Shared
from postroad.delivery.worker import Worker
from postroad.destinations.base import Destination
from postroad.errors import StoreError, StoreUnavailable, UsageError
from postroad.ledger.base import Account, Ledger
from postroad.log.base import LogReader

_AGAIN_AFTER = 1.0
"""Seconds until accounts that could not be opened are tried again."""


async def _drop_nothing(_destination: str) -> None:
    """Do nothing: for an engine that was given no starting offsets, as in tests."""


class Service(NamedTuple):
    """One configured destination: how it is served, how it is made, where a new one starts, what it was called before
    (None: the same), and its `on_backlog_full`, which is kept for when it is gone from the configuration.
    """

    plan: Plan
    make: Callable[[], Destination]
    from_beginning: bool
    was: str | None = None
    policy: str = "refuse"


class Engine:
    """Delivers one region's log to its destinations."""

    def __init__(
        self,
        services: Sequence[Service],
        log: LogReader,
        ledger: Ledger,
        clock: Clock,
        starting_offsets: Callable[[], Mapping[str, int]] = dict,
        *,
        drop_starting_offset: Callable[[str], Awaitable[None]] = _drop_nothing,
        retention: float | None = None,
    ) -> None:
        """`starting_offsets` tells from which offset on a destination without an account is owed events,
        `drop_starting_offset` removes one. `retention` is in seconds: what is older expires at held destinations that
        may not hold back the log.
        """
        self._services = {service.plan.destination: service for service in services}
        self._log = log
        self._ledger = ledger
        self._clock = clock
        self._starting_offsets = starting_offsets
        plans = {name: service.plan for name, service in self._services.items()}
        self._shared = {name: Shared(service.make) for name, service in self._services.items()}
        self._servings = {name: Serving(name, partial(self._make, name), clock) for name in self._services}
        self._drop_starting_offset = drop_starting_offset
        self._holds = Holds(self._servings_of, ledger, clock)
        self._bounded = BoundedAccounts(plans, self._shared, log, ledger, clock, holds=self._holds.now)
        self._replays = Replays(plans, self._bounded, log, ledger, clock)
        self._giving_up = GivingUp(plans, log, ledger, clock, retention)
        self._logger = structlog.get_logger("postroad.delivery")

    async def run(self) -> None:
        """Deliver until cancelled, then end in order."""
        await self._open_accounts()
        belonging = keep_belonging(self._log, self._ledger, self._clock)
        looking_after = [self._bounded.run(), self._giving_up.run(), self._expire(), belonging]
        loops = [*looking_after, *(serving.run() for serving in self._servings.values())]
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)  # none ends but by a bug
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    def poke(self, destination: str) -> None:
        """Tell a destination's workers that the ledger changed behind their backs."""
        if destination in self._servings:
            self._servings[destination].poke()
            self._bounded.poke()

    def states(self) -> Mapping[str, str]:
        """Return, for people, what each destination's worker is doing."""
        return {name: serving.state for name, serving in self._servings.items()}

    def replay_states(self) -> Mapping[int, str]:
        """Return what each replay that still owes something is doing, by its account's number."""
        return self._bounded.states()

    async def open_replay(
        self,
        destination: str,
        *,
        start: int,
        end: int,
        events: Sequence[str] | None = None,
        rate: float | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> Account:
        """Deliver the offsets from `start` to `end` (exclusive) once more, as a new account; it goes on after a
        restart. `events` are the names it is limited to, `rate` the most events a second, and only those received in
        `since <= at < until` (microseconds) are its own.

        Raises `UsageError` for a destination that is not there or a rate that is none, and `StoreError`.
        """
        return await self._replays.open(destination, start=start, end=end, replay=Replay(events, rate, since, until))

    async def stop_replay(self, account: int) -> None:
        """End a replay where it has come to. Raises `UsageError` for an account that is no replay, and
        `StoreError`; the replay goes on then.
        """
        await self._replays.stop(account)

    async def hold(self, destination: str, *, by: str = "", why: str = "") -> None:
        """Send nothing more to a destination until it is released, over restarts too; what it is owed waits, and
        nothing grows older. Sends that are under way end.

        Raises `UsageError` for one that is not there, and `StoreError`.
        """
        await self._holds.hold(destination, by=by, why=why)

    async def release(self, destination: str) -> None:
        """End a hold. Raises `UsageError` for a destination that is not on hold, and `StoreError`."""
        await self._holds.release(destination)

    async def try_now(self, destination: str) -> int:
        """Probe a destination at once, with a single event where it fails or is on hold, and let all its retries be due
        now; returns how many these are.

        Raises `UsageError` for one that is not configured, and `StoreError`.
        """
        if destination not in self._services:
            raise UsageError(f"{destination!r} is not in the configuration: nobody could send to it")
        return await self._holds.try_now(destination)

    def _servings_of(self, destination: str) -> Sequence[Serving]:
        live = [self._servings[destination]] if destination in self._servings else []
        return [*live, *self._bounded.servings(destination)]

    async def abandon(self, destination: str) -> None:
        """Give up what a held destination is owed, its replays too, and owe it nothing more. It is not owed any more on
        return; what becomes of each event is written down after that, a part at a time.

        Raises `UsageError` for a destination that is configured or not there, and `StoreError`; ask again then.
        """
        if destination in self._services:
            raise UsageError(f"{destination!r} is in the configuration: remove its table and restart, then abandon it")
        if not await owing(destination, self._ledger):
            raise UsageError(f"there is no destination {destination!r} that is owed anything")
        try:
            await self._drop_starting_offset(destination)  # first: else the next start would open an account
        except OSError as error:
            raise StoreUnavailable(f"{error.filename}: {error.strerror}") from error
        await end_accounts(destination, self._log, self._ledger, self._clock)
        self._logger.warning("a destination was abandoned by the operator", destination=destination)
        self._giving_up.look_again()

    async def _open_accounts(self) -> None:
        wanted = [Wanted(name, one.from_beginning, one.policy, one.was) for name, one in self._services.items()]
        told = ""
        while True:
            try:
                await belong(self._log, self._ledger)
                await open_accounts(wanted, self._log, self._ledger, self._clock, self._starting_offsets)
                await self._holds.load()
            except StoreError as error:
                if str(error) != told:
                    self._logger.warning("the accounts can't be opened; deliveries wait", reason=str(error))
                told = str(error)
                for serving in self._servings.values():
                    serving.trouble = f"waiting: {error}"
                await self._clock.sleep(_AGAIN_AFTER)
            else:
                break
        for former in [one.was for one in wanted if one.was is not None]:
            try:
                await self._drop_starting_offset(former)
            except OSError as error:
                self._logger.warning(
                    "a former id can't be forgotten: leave `was` in the file until a start without this line",
                    was=former,
                    reason=str(error.strerror),
                )

    async def _make(self, name: str) -> Worker:
        accounts = await self._ledger.accounts()
        account = next(a for a in accounts if a.destination == name and a.replay is None and a.end is None)
        destination = self._shared[name].lend()
        plan = self._services[name].plan
        worker = Worker(plan, account, destination, log=self._log, ledger=self._ledger, clock=self._clock)
        if (hold := self._holds.now.get(name)) is not None:
            worker.hold(hold)
        return worker

    async def _expire(self) -> None:
        """Let expire, for ever, what destinations that may not hold back the log have not got in time."""
        while True:
            await self._clock.sleep(EXPIRE_EVERY)
            for name, service in self._services.items():
                age = service.plan.expire_after
                if age is None:
                    continue
                try:
                    before = await self._log.offset_of_age(age)
                    await self._servings[name].expire(before)
                    await self._bounded.expire(name, before)
                except StoreError as error:
                    self._logger.warning("what is too old can't expire now", destination=name, reason=str(error))
