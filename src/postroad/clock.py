"""The only place that knows the time.

Wall-clock times are integers: microseconds since 1970-01-01 UTC (`…_at`). Durations are float seconds.
"""

import asyncio
import heapq
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

MICROSECONDS = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Where a part that waits or stamps gets its time from."""

    def now(self) -> int:
        """Return the wall clock: microseconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once when that is zero or less."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        """Return the wall clock: microseconds since 1970 UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that moves only when told to: what tests pass in instead of patching time."""

    def __init__(self, now: int = 1_700_000_000 * MICROSECONDS) -> None:
        self._now = now
        self._steady = now
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> int:
        """Return the time it was last set to, in microseconds."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds that only `advance` moves."""
        return self._steady / MICROSECONDS

    async def sleep(self, seconds: float) -> None:
        """Return once `advance` has moved the clock past the deadline."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        deadline = self._steady + round(seconds * MICROSECONDS)
        heapq.heappush(self._sleepers, (deadline, self._count, woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Move the clock forward and wake every sleeper whose deadline has come."""
        self._now += round(seconds * MICROSECONDS)
        self._steady += round(seconds * MICROSECONDS)
        while self._sleepers and self._sleepers[0][0] <= self._steady:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)

    @property
    def sleeping(self) -> int:
        """How many sleep until `advance` wakes them."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or a time server does; no duration changes."""
        self._now += round(seconds * MICROSECONDS)


def iso(at: int) -> str:
    """Write a time in microseconds as RFC 3339 in UTC with milliseconds: `2024-01-15T10:30:00.000Z`."""
    second, micro = divmod(at, MICROSECONDS)
    return f"{_iso_second(second)}.{micro // 1000:03d}Z"


def read_moment(text: str) -> int:
    """Return microseconds since 1970 for ISO 8601, in UTC unless it says otherwise. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=16)  # many events a second have the same second
def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
