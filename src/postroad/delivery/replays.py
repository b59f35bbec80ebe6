"""Replays: a stretch of the log delivered once more to a destination, as an account of its own."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import structlog

from postroad.clock import Clock
from postroad.delivery.accounts import Replay, owes, stop
from postroad.delivery.plan import Plan
from postroad.delivery.rate import Rate
from postroad.delivery.serving import Serving, Shared
from postroad.delivery.worker import Worker
from postroad.errors import StoreError, UsageError
from postroad.ledger.base import Account, Ledger
from postroad.log.base import LogReader

_AGAIN_AFTER = 1.0


class _Running(NamedTuple):
    serving: Serving
    task: asyncio.Task[None]


class Replays:
    """Serves every replay that still owes something, also those that an earlier run left behind."""

    def __init__(
        self, plans: Mapping[str, Plan], shared: Mapping[str, Shared], log: LogReader, ledger: Ledger, clock: Clock
    ) -> None:
        self._plans = plans
        self._shared = shared
        self._log = log
        self._ledger = ledger
        self._clock = clock
        self._running: dict[int, _Running] = {}
        self._stopping: set[int] = set()
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
                        self._logger.warning("the replays can't be read; they wait", reason=str(error))
                    told = str(error)
                    await self._clock.sleep(_AGAIN_AFTER)
                else:
                    await self._news.wait()
        finally:
            tasks = [one.task for one in self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def open(self, destination: str, *, start: int, end: int, replay: Replay) -> Account:
        """Open a replay of the offsets from `start` to `end` (exclusive) and begin with it.

        Raises `UsageError` for a destination that is not there, and `StoreError`.
        """
        if destination not in self._plans:
            raise UsageError(f"there is no destination {destination!r}")
        if replay.rate is not None and not replay.rate > 0:
            raise UsageError("the rate of a replay must be more than nothing")
        account = await self._ledger.open_account(
            destination, start=start, end=max(start, end), at=self._clock.now(), replay=str(replay)
        )
        self._news.set()
        return account

    async def stop(self, number: int) -> None:
        """End a replay where it has come to: what is under way is settled, the rest is not owed any more, and
        what was to be tried again is abandoned. One that has ended stays as it is.

        Raises `UsageError` for a number that is no replay, and `StoreError`; it goes on then.
        """
        account = await self._ledger.account(number)
        if account is None or account.replay is None:
            raise UsageError(f"account {number} is not a replay")
        self._stopping.add(number)
        try:
            running = self._running.pop(number, None)
            if running is not None:
                running.task.cancel()
                await asyncio.wait([running.task])
            account = await self._ledger.account(number)
            if account is not None and await owes(account, self._ledger):
                await stop(account, self._log, self._ledger)
        finally:
            self._stopping.discard(number)
            self._news.set()

    def poke(self) -> None:
        """Tell that the ledger changed behind our backs: dead letters of replays may have been resent."""
        self._news.set()
        for running in self._running.values():
            running.serving.poke()

    def states(self) -> Mapping[int, str]:
        """Return what each replay that is served is doing, by its account's number."""
        return {number: running.serving.state for number, running in self._running.items()}

    async def _look(self) -> None:
        """Start what owes something and is not served."""
        for account in await self._ledger.accounts():
            free = account.number not in self._running and account.number not in self._stopping
            known = account.replay is not None and account.destination in self._plans
            if free and known and await owes(account, self._ledger):
                self._start(account.number, account.destination)

    def _start(self, number: int, destination: str) -> None:
        serving = Serving(destination, lambda: self._make(number), self._clock)
        task = asyncio.create_task(serving.run())
        self._running[number] = _Running(serving, task)
        task.add_done_callback(lambda _: self._ended(number, task))

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        if number in self._running and self._running[number].task is task:
            del self._running[number]
        if not task.cancelled():
            self._news.set()  # something may have been resent at the last moment

    async def _make(self, number: int) -> Worker:
        account = await self._ledger.account(number)
        assert account is not None  # noqa: S101 -- accounts stay for ever
        replay, plan = Replay.of(account), self._plans[account.destination]
        rate = plan.rate if replay.rate is None else Rate(replay.rate, plan.rate.requests)
        plan = plan._replace(only=replay.only, rate=rate, expire_after=None)
        destination = self._shared[account.destination].lend()
        return Worker(plan, account, destination, log=self._log, ledger=self._ledger, clock=self._clock)
