"""How fast a destination is sent to: a token bucket for events and one for requests."""

from typing import Final

from postroad.clock import Clock
from postroad.config.model import Rate

_BURST: Final = 0.1
"""Seconds of the rate that may be sent at once after a rest."""


class TokenBucket:
    """Pure arithmetic: what is taken beyond the bucket's content is waited for. Times are monotonic seconds."""

    def __init__(self, per_second: float, now: float) -> None:
        self._rate = per_second
        self._capacity = max(1.0, per_second * _BURST)
        self._level = self._capacity
        self._at = now

    def take(self, count: int, now: float) -> float:
        """Take `count` tokens and return after how many seconds they may be used."""
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate) - count
        self._at = now
        return max(0.0, -self._level / self._rate)


class RateLimit:
    """Holds each send of one account back until its turn."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._clock = clock
        now = clock.monotonic()
        self._events = TokenBucket(rate.events, now) if rate.events is not None else None
        self._requests = TokenBucket(rate.requests, now) if rate.requests is not None else None

    async def turn(self, events: int) -> None:
        """Return when a request with so many events may be sent."""
        now = self._clock.monotonic()
        waits = [bucket.take(count, now) for bucket, count in ((self._events, events), (self._requests, 1)) if bucket]
        if waits and (wait := max(waits)) > 0:
            await self._clock.sleep(wait)
