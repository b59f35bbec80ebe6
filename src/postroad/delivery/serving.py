"""Keeping a worker going: after a bug it is started again from what the ledger has."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from postroad.clock import Clock
from postroad.delivery.worker import Worker
from postroad.destinations.base import Destination, Event, SendResult
from postroad.errors import StoreError
from postroad.ledger.hold import Hold

_AGAIN_AFTER = 1.0
"""Seconds until a worker that ended by an error is started again."""


class Serving:
    """One account and the worker that serves it at the moment, if one does. `make` makes the next."""

    def __init__(self, name: str, make: Callable[[], Awaitable[Worker]], clock: Clock) -> None:
        self._name = name
        self._make = make
        self._clock = clock
        self._worker: Worker | None = None
        self._logger = structlog.get_logger("postroad.delivery")
        self.trouble = "starting"
        """What is said of it while it has no worker."""

    @property
    def state(self) -> str:
        """What it is doing, for people."""
        return self.trouble if self._worker is None else self._worker.state

    def poke(self) -> None:
        """Tell the worker that the ledger changed behind its back."""
        if self._worker is not None:
            self._worker.poke()

    def hold(self, hold: Hold) -> None:
        """Let the worker send nothing more. The next one is made so."""
        if self._worker is not None:
            self._worker.hold(hold)

    def release(self) -> None:
        """Let the worker go on."""
        if self._worker is not None:
            self._worker.release()

    def try_now(self) -> None:
        """Let the worker send without waiting."""
        if self._worker is not None:
            self._worker.try_now()

    async def expire(self, before: int) -> None:
        """Let what is below an offset expire."""
        if self._worker is not None:
            await self._worker.expire(before)

    async def run(self) -> None:
        """Serve until cancelled; return when the account has come to its end."""
        while True:
            try:
                self._worker = await self._make()
                await self._worker.run()
            except StoreError as error:
                if self.trouble != f"waiting: {error}":  # else it was said already
                    self._logger.warning("a delivery loop can't start yet", destination=self._name, reason=str(error))
                self.trouble = f"waiting: {error}"
            except Exception as error:
                self._logger.exception("a delivery loop failed and is started again", destination=self._name)
                self.trouble = f"failed: {type(error).__name__}"
            else:
                return
            finally:
                self._worker = None
            await self._clock.sleep(_AGAIN_AFTER)


class Shared:
    """One configured destination, which its workers (its own and its replays') use together: two objects that
    write the same file would be in each other's way. It is made for the first and closed after the last.
    """

    def __init__(self, make: Callable[[], Destination]) -> None:
        self._make = make
        self._made: Destination | None = None
        self._users = 0

    def lend(self) -> Destination:
        """Return it for one more worker, which closes what it got as if it were its own."""
        if self._made is None:
            self._made = self._make()
        self._users += 1
        return _Lent(self._made, self._give_back)

    async def _give_back(self) -> None:
        self._users -= 1
        if self._users == 0 and self._made is not None:
            made, self._made = self._made, None
            await made.close()


class _Lent:
    """What one worker sees of a shared destination."""

    def __init__(self, made: Destination, give_back: Callable[[], Awaitable[None]]) -> None:
        self._made = made
        self._give_back = give_back

    def takes(self, event: Event) -> bool:
        """Ask the shared destination."""
        return self._made.takes(event)

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """Send with the shared destination."""
        return await self._made.send(events)

    async def close(self) -> None:
        """Give the shared destination back; the last of its workers closes it."""
        await self._give_back()
