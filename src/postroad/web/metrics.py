"""What `/metrics` tells beyond the processes' own counters: the state of every region, read from its files."""

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from postroad.operations.status import RegionStatus
from postroad.web.answers import Answer


def metrics(regions: Sequence[RegionStatus], counters: Sequence[str]) -> Answer:
    """Return the page: gauges of every region, then the counters of the processes that are alive."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Regions(regions))
    page = generate_latest(registry) + "".join(counters).encode()
    return Answer(200, page, media=b"text/plain; version=0.0.4; charset=utf-8")


def counters(*tallies: Collector) -> str:
    """Return what a process counts itself, as text for `metrics`."""
    registry = CollectorRegistry(auto_describe=False)
    for tally in tallies:
        registry.register(tally)
    return generate_latest(registry).decode()


class _Regions:
    def __init__(self, regions: Sequence[RegionStatus]) -> None:
        self._regions = regions

    def collect(self) -> Iterator[Metric]:
        for name, sentence, field in _GAUGES:
            family = GaugeMetricFamily(name, sentence, labels=("region",))
            for region in self._regions:
                value = getattr(region, field)
                if value is not None:
                    family.add_metric((region.region,), float(value))
            yield family
        for name, sentence, field in _DESTINATION_GAUGES:
            family = GaugeMetricFamily(name, sentence, labels=("region", "destination"))
            for region in self._regions:
                for place in region.destinations:
                    family.add_metric((region.region, place.id), float(getattr(place, field) or 0))
            yield family
        yield self._outcomes()

    def _outcomes(self) -> Metric:
        family = GaugeMetricFamily(
            "postroad_delivery_outcomes",
            "Events by what became of them at a destination, since its account was opened.",
            labels=("region", "destination", "outcome"),
        )
        for region in self._regions:
            for place in region.destinations:
                for outcome, count in place.outcomes.items():
                    family.add_metric((region.region, place.id, outcome), float(count))
        return family


_GAUGES = (
    ("postroad_accepting", "1 when an event would be taken now. Wake somebody at 0.", "accepting"),
    (
        "postroad_delivering",
        "1 when the delivery process is alive and can use the ledger. Wake somebody at 0.",
        "delivering",
    ),
    ("postroad_log_appended", "Events stored since the log was made.", "appended"),
    ("postroad_log_duplicates", "Repeats answered and not stored, since the log was made.", "duplicates"),
    ("postroad_log_bytes", "Size of the log's files.", "log_size"),
    ("postroad_log_segments", "Segments of the log.", "segments"),
    ("postroad_ingest_queued_bytes", "Bytes that wait to be written. Near the limit, ingest answers 503.", "queued"),
    ("postroad_dedup_window_ids", "Message ids by which repeats are recognised now.", "window_ids"),
    ("postroad_dedup_window_since_microseconds", "The oldest of these ids is from then.", "window_since"),
    (
        "postroad_dedup_crowded",
        "Message ids that were stored though nobody looked whether they repeat. More than 0 is an attack.",
        "window_crowded",
    ),
    (
        "postroad_dedup_public_window_ids",
        "Message ids by which repeats of public sources are recognised now.",
        "public_window_ids",
    ),
    (
        "postroad_dedup_public_window_since_microseconds",
        "The oldest of the message ids of public sources is from then.",
        "public_window_since",
    ),
    ("postroad_dedup_public_crowded", "As `postroad_dedup_crowded`, of public sources.", "public_window_crowded"),
    ("postroad_disk_free_bytes", "Free disk under the data folder. Below the floor, ingest answers 503.", "free_disk"),
    ("postroad_disk_floor_bytes", "The floor.", "disk_floor"),
)

_DESTINATION_GAUGES = (
    ("postroad_delivery_running", "1 while events are sent to it. Wake somebody at 0; `status` says why.", "running"),
    ("postroad_delivery_held", "1 while it is held, on purpose or because it is not in the configuration.", "held"),
    ("postroad_delivery_oldest_undelivered_seconds", "Age of the oldest event it still waits for.", "oldest_age"),
    ("postroad_delivery_waiting", "Events without an outcome yet: not tried, or in a frozen batch.", "waiting"),
    ("postroad_delivery_retrying", "Events that failed and will be tried again.", "retrying"),
    ("postroad_delivery_dead", "Dead letters. See `postroad dead list`.", "dead"),
)
