"""Destinations that the operator holds, releases and tries: kept in the ledger, and told to whoever serves them."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import structlog

from postroad.clock import Clock
from postroad.delivery.accounts import live_accounts, owing
from postroad.delivery.serving import Serving
from postroad.errors import UsageError
from postroad.ledger.base import Account, Ledger
from postroad.ledger.hold import Hold, holds_of


class Holds:
    """The holds of one region. `servings` returns what serves a destination's accounts, replays too."""

    def __init__(self, servings: Callable[[str], Sequence[Serving]], ledger: Ledger, clock: Clock) -> None:
        self._servings = servings
        self._ledger = ledger
        self._clock = clock
        self._now: dict[str, Hold] = {}
        self.now: Final[Mapping[str, Hold]] = MappingProxyType(self._now)
        """The destinations that are held at this moment, once `load` has returned."""
        self._logger = structlog.get_logger("postroad.delivery")

    async def load(self) -> None:
        """Take up the holds of earlier runs. Raises `StoreError`."""
        self._now.clear()
        self._now.update(holds_of(await self._ledger.accounts()))

    async def hold(self, destination: str, *, by: str, why: str) -> None:
        """Hold a destination; one that is held already has the new reason. Raises `UsageError` and `StoreError`."""
        account, hold = await self._live(destination), Hold(self._clock.now(), by, why)
        await self._ledger.set_hold(account.number, hold)
        self._now[destination] = hold
        self._logger.warning("a destination is held by the operator", destination=destination, by=by, reason=why)
        for serving in self._servings(destination):
            serving.hold(hold)

    async def release(self, destination: str) -> None:
        """End a hold. Raises `UsageError` where there is none, and `StoreError`."""
        account = await self._live(destination)
        if destination not in self._now:
            raise UsageError(f"{destination!r} is not on hold")
        await self._ledger.set_hold(account.number, None)
        del self._now[destination]
        self._logger.info("a destination was released by the operator", destination=destination)
        for serving in self._servings(destination):
            serving.release()

    async def try_now(self, destination: str) -> int:
        """Let everything that waits for a time be due now; returns how many retries that is. Raises `StoreError`."""
        now, due = self._clock.now(), 0
        for account in await owing(destination, self._ledger):
            due += await self._ledger.hasten(account.number, now)
        for serving in self._servings(destination):
            serving.try_now()
        return due

    async def _live(self, destination: str) -> Account:
        account = live_accounts(await self._ledger.accounts()).get(destination)
        if account is None:
            raise UsageError(f"there is no destination {destination!r}")
        return account
