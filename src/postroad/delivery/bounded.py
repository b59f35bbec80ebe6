"""Accounts with an end: a stretch of the log that is delivered beside what its destination's live account gets.

A replay is one. So is the account of a destination that goes on under another id which has an account too: what it was
owed is still delivered.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import structlog

from postroad.clock import Clock
from postroad.config.model import Rate
from postroad.delivery.plan import Plan
from postroad.delivery.routing import Replay
from postroad.delivery.serving import Serving, Shared
from postroad.delivery.worker import Worker
from postroad.errors import StoreError
from postroad.ledger.base import Account, Ledger
from postroad.ledger.hold import Hold
from postroad.ledger.needs import is_bounded, needs
from postroad.log.base import LogReader

_AGAIN_AFTER = 1.0
"""Seconds until accounts that could not be read are looked at again."""


class _Running(NamedTuple):
    destination: str
    is_replay: bool
    serving: Serving
    task: asyncio.Task[None]


class BoundedAccounts:
    """Serves every account with an end that still owes something and whose destination is configured, also those that
    an earlier run left behind. The others stay as they are.
    """

    def __init__(
        self,
        plans: Mapping[str, Plan],
        shared: Mapping[str, Shared],
        log: LogReader,
        ledger: Ledger,
        clock: Clock,
        *,
        holds: Mapping[str, Hold] = MappingProxyType({}),
    ) -> None:
        """`holds` has, at every moment, the destinations that are held."""
        self._plans = plans
        self._holds = holds
        self._shared = shared
        self._log = log
        self._ledger = ledger
        self._clock = clock
        self._running: dict[int, _Running] = {}
        self._halted: set[int] = set()
        self._news = asyncio.Event()
        self._logger = structlog.get_logger("postroad.delivery")

    async def run(self) -> None:
        """Serve until cancelled, then end in order."""
        told = ""
        try:
            while True:
                self._news.clear()
                try:
                    await self._look()
                except StoreError as error:
                    if str(error) != told:
                        self._logger.warning("the accounts can't be read; replays wait", reason=str(error))
                    told = str(error)
                    await self._clock.sleep(_AGAIN_AFTER)
                else:
                    await self._news.wait()
        finally:
            tasks = [one.task for one in self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def halted(self, number: int) -> AsyncIterator[None]:
        """Let what is under way of an account end, and serve it no more until this is left."""
        self._halted.add(number)
        try:
            running = self._running.pop(number, None)
            if running is not None:
                running.task.cancel()
                await asyncio.wait([running.task])
            yield
        finally:
            self._halted.discard(number)
            self._news.set()

    def look_again(self) -> None:
        """Tell that an account was opened."""
        self._news.set()

    def poke(self) -> None:
        """Tell that the ledger changed behind our backs: dead letters may have been resent."""
        self._news.set()
        for running in self._running.values():
            running.serving.poke()

    def servings(self, destination: str) -> Sequence[Serving]:
        """Return what serves the accounts of a destination."""
        return [one.serving for one in self._running.values() if one.destination == destination]

    async def expire(self, destination: str, before: int) -> None:
        """Let what is below an offset expire for a destination; replays are delivered however old it is."""
        for running in list(self._running.values()):
            if running.destination == destination and not running.is_replay:
                await running.serving.expire(before)

    def states(self) -> Mapping[int, str]:
        """Return what each account that is served is doing, by its number."""
        return {number: running.serving.state for number, running in self._running.items()}

    async def _look(self) -> None:
        """Start a worker for each account that owes something and has none."""
        for account in await self._ledger.accounts():
            free = account.number not in self._running and account.number not in self._halted
            if (
                free
                and is_bounded(account)
                and account.destination in self._plans
                and await needs(account, self._ledger)
            ):
                self._start(account)

    def _start(self, account: Account) -> None:
        number = account.number
        serving = Serving(account.destination, lambda: self._make(number), self._clock)
        task = asyncio.create_task(serving.run())
        self._running[number] = _Running(account.destination, account.replay is not None, serving, task)
        task.add_done_callback(lambda _: self._ended(number, task))

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        if number in self._running and self._running[number].task is task:
            del self._running[number]
        if not task.cancelled():
            self._news.set()  # something may have been resent at the last moment

    async def _make(self, number: int) -> Worker:
        account = await self._ledger.account(number)
        assert account is not None  # noqa: S101 -- accounts stay for ever
        plan, replay = self._plans[account.destination], Replay.of(account)
        rate = plan.rate if replay.rate is None else Rate(replay.rate, plan.rate.requests)
        plan = plan._replace(replay=replay, rate=rate)
        destination = self._shared[account.destination].lend()
        worker = Worker(plan, account, destination, log=self._log, ledger=self._ledger, clock=self._clock)
        if (hold := self._holds.get(account.destination)) is not None:
            worker.hold(hold)
        return worker
