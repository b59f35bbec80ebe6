"""Replays: a stretch of the log delivered once more to a destination, as an account of its own."""

from collections.abc import Collection

from postroad.clock import Clock
from postroad.delivery.accounts import live_accounts, settled_to
from postroad.delivery.bounded import BoundedAccounts
from postroad.delivery.giving_up import abandon
from postroad.delivery.routing import Replay
from postroad.errors import UsageError
from postroad.ledger.base import STOPPED, Account, Ledger
from postroad.ledger.needs import needs
from postroad.log.base import LogReader


class Replays:
    """Opens and stops them; `BoundedAccounts` serves them."""

    def __init__(
        self, configured: Collection[str], bounded: BoundedAccounts, log: LogReader, ledger: Ledger, clock: Clock
    ) -> None:
        self._configured = configured
        self._bounded = bounded
        self._log = log
        self._ledger = ledger
        self._clock = clock

    async def open(self, destination: str, *, start: int, end: int, replay: Replay) -> Account:
        """Open a replay of the offsets from `start` to `end` (exclusive) and begin with it.

        Raises `UsageError` for a destination that is not there or is held, and `StoreError`.
        """
        if destination not in self._configured:
            if destination in live_accounts(await self._ledger.accounts()):
                raise UsageError(f"{destination!r} is held: it is not in the configuration; put its table back first")
            raise UsageError(f"there is no destination {destination!r}")
        if replay.rate is not None and not replay.rate > 0:
            raise UsageError("the rate of a replay must be more than nothing")
        account = await self._ledger.open_account(
            destination, start=start, end=max(start, end), at=self._clock.now(), replay=str(replay)
        )
        self._bounded.look_again()
        return account

    async def stop(self, number: int) -> None:
        """End a replay where it has come to: what is under way is settled, the rest is not owed any more, and
        what was to be tried again is abandoned. One that has ended stays as it is.

        Raises `UsageError` for a number that is no replay, and `StoreError`; it goes on then.
        """
        account = await self._ledger.account(number)
        if account is None or account.replay is None:
            raise UsageError(f"account {number} is not a replay")
        async with self._bounded.halted(number):
            account = await self._ledger.account(number)
            if account is None or account.end is None or not await needs(account, self._ledger):
                return
            end = min(await settled_to(account, self._ledger), account.end)
            await abandon(account._replace(end=end), self._log, self._ledger)
            await self._ledger.end_account(number, end, at=self._clock.now(), by=STOPPED)
