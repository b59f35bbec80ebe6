"""How fast a destination is sent to: a token bucket for events and one for requests."""

from postroad.clock import Clock
from postroad.config.model import Rate
from postroad.rate import TokenBucket


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
