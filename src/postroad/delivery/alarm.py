"""What wakes a delivery loop that has nothing to do: the soonest retry falls due, or something has changed."""

import asyncio
import math
from typing import Final

from postroad.clock import MICROSECONDS, Clock
from postroad.delivery.schedule import is_due

_LONGEST_SLEEP: Final = 60.0


class Alarm:
    """Set to the time of the soonest retry; rung by whoever has news. One task waits for it."""

    def __init__(self, clock: Clock, longest: float = math.inf) -> None:
        """`longest` is how many microseconds ahead nothing can be due: see `schedule.is_due`."""
        self._clock = clock
        self._longest = longest
        self._at: int | None = 0  # at once: nobody knows yet what an earlier run left
        self._rung = asyncio.Event()

    @property
    def due(self) -> bool:
        """Whether its time has come."""
        return self._at is not None and is_due(self._at, self._clock.now(), self._longest)

    def set(self, at: int) -> None:
        """Go off at `at` (microseconds) too, or sooner if it is set to sooner; 0 is now."""
        if self._at is None or at < self._at:
            self._at = at
            self._rung.set()

    def switch_off(self) -> None:
        """Forget the time it is set to."""
        self._at = None

    def ring(self) -> None:
        """Something has changed: look again."""
        self._rung.set()

    def listen(self) -> None:
        """Forget earlier rings. Call it before looking, so that news which come meanwhile are not missed."""
        self._rung.clear()

    async def wait(self, within: float | None = None) -> None:
        """Return when it goes off, somebody rings or `within` seconds have passed; it may return for nothing."""
        if self._at is None:
            await self.news(within)
        elif self.due:
            await self.news(0)
        else:
            ahead = (self._at - self._clock.now()) / MICROSECONDS
            # Not all of a long wait at once: the wall clock may be set, or the machine put to sleep.
            await self.news(min(_LONGEST_SLEEP if within is None else within, _LONGEST_SLEEP, ahead))

    async def news(self, within: float | None = None) -> None:
        """Return when somebody rings or `within` seconds have passed, whatever time it is set to."""
        if within is None or within == math.inf:
            await self._rung.wait()
            return
        timer = asyncio.create_task(self._ring_after(within))
        try:
            await self._rung.wait()
        finally:
            timer.cancel()

    async def _ring_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._rung.set()
