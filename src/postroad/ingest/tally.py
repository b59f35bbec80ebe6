"""What the ingest process counts, in plain integers: the hot path can afford no more."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

_BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class IngestTally:
    """Counters of one ingest process since it started; `collect` gives them to Prometheus."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        """By region (the first one when no key told) and status."""
        self.items: Counter[tuple[str, str, str]] = Counter()
        """By region, source and what became of them: accepted, duplicate, conflict, rejected."""
        self.over_rate: Counter[tuple[str, str]] = Counter()
        """Requests answered 429, by region and source."""
        self._buckets = [0] * (len(_BOUNDS) + 1)
        self._seconds = 0.0

    def took(self, seconds: float) -> None:
        """Count one request that took this long from its head to its answer."""
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds += seconds

    def over_rate_in(self, region: str) -> dict[str, int]:
        """Return how many requests of each source of a region were answered 429."""
        return {source: count for (where, source), count in self.over_rate.items() if where == region}

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families: `prometheus_client` calls this at every scrape."""
        requests = CounterMetricFamily(
            "postroad_ingest_requests",
            "Requests answered. A rising 503 means the store can't write.",
            labels=("region", "status"),
        )
        for (region, status), count in sorted(self.requests.items()):
            requests.add_metric((region, str(status)), count)
        yield requests
        items = CounterMetricFamily(
            "postroad_ingest_items",
            "Events answered 200, by outcome. Look at `postroad rejections list` when `rejected` rises.",
            labels=("region", "source", "outcome"),
        )
        for labels, count in sorted(self.items.items()):
            items.add_metric(labels, count)
        yield items
        yield self._over_rate()
        yield self._latency()

    def _over_rate(self) -> Metric:
        family = CounterMetricFamily(
            "postroad_ingest_over_rate",
            "Requests answered 429, because their source had sent more than its rate. Nothing of them was stored.",
            labels=("region", "source"),
        )
        for labels, count in sorted(self.over_rate.items()):
            family.add_metric(labels, count)
        return family

    def _latency(self) -> Metric:
        family = HistogramMetricFamily(
            "postroad_ingest_request_seconds", "From the request's head to its answer, waiting for the disk included."
        )
        total, buckets = 0, []
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._buckets, strict=True):
            total += count
            buckets.append((bound, float(total)))
        family.add_metric((), buckets, self._seconds)
        return family
