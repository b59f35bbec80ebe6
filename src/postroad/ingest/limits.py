"""How much each source may send. What is beyond its rate is answered 429 in both modes, and nothing of it is stored."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from postroad.clock import Clock
from postroad.config.source import SourceRate
from postroad.ingest.keyring import ApiSource
from postroad.ingest.tally import IngestTally
from postroad.rate import TokenBucket

BURST: Final = 10.0
"""Seconds of its rate that a source may send at once after a rest: clients gather events and send them in batches."""


class OverRate(Exception):
    """A source has sent too much; `seconds` from now what it sent would be taken."""

    def __init__(self, source: str, seconds: float) -> None:
        super().__init__(f"over the rate of its source for {seconds:.1f} s")
        self.source, self.seconds = source, seconds


class _Buckets(NamedTuple):
    events: TokenBucket | None
    bytes: TokenBucket | None


class SourceLimits:
    """Counts what sources with a rate send, and refuses what is beyond it. What is refused counts nothing."""

    def __init__(self, rates: Mapping[str, SourceRate], clock: Clock, tally: IngestTally) -> None:
        """`rates` are by the id of the source; a source that isn't there has no limit."""
        self._clock = clock
        self._tally = tally
        now = clock.monotonic()
        self._buckets = {
            name: _Buckets(_bucket(rate.events, now), _bucket(rate.bytes, now))
            for name, rate in rates.items()
            if rate != SourceRate()
        }

    def demand(self, source: ApiSource) -> None:
        """Raise `OverRate` when not even the smallest call of a source would be taken now: before its body is read."""
        buckets = self._buckets.get(source.name)
        if buckets is not None:
            self._demand(source, buckets, 1, 1)

    def take(self, source: ApiSource, events: int, size: int) -> None:
        """Count a request of so many events, whose body has `size` bytes. Raises `OverRate`.

        One that is more than the burst is taken after a rest, and paid for afterwards.
        """
        buckets = self._buckets.get(source.name)
        if buckets is not None:
            now = self._demand(source, buckets, events, size)
            for bucket, count in zip(buckets, (events, size), strict=True):
                if bucket is not None:
                    bucket.take(count, now)

    def _demand(self, source: ApiSource, buckets: _Buckets, events: int, size: int) -> float:
        now = self._clock.monotonic()
        waits = [bucket.wait(n, now) for bucket, n in zip(buckets, (events, size), strict=True) if bucket is not None]
        if max(waits) > 0:
            self._tally.over_rate[source.region, source.name] += 1
            raise OverRate(source.name, max(waits))
        return now


def _bucket(per_second: float | None, now: float) -> TokenBucket | None:
    return None if per_second is None else TokenBucket(per_second, now, burst=BURST)
