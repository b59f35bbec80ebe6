"""What an address counts of the wire: what was refused as no HTTP, and why."""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


class WireTally:
    """Counters of one address since its process started; `collect` gives them to Prometheus."""

    def __init__(self, address: str) -> None:
        """`address` is `ingest` or `admin`."""
        self.address = address
        self.refused: Counter[str] = Counter()
        """Requests refused by the policy of the transport, by rule."""
        self.cut_off: Counter[str] = Counter()
        """Connections closed by a time-out, by what took too long: `request`, `answer`, `handshake`."""
        self.made_room: Counter[str] = Counter()
        """Connections closed for others, by the bound that was reached."""
        self.open: Callable[[], int] = int
        """How many connections there are now."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families: `prometheus_client` calls this at every scrape."""
        families = (
            (
                f"postroad_{self.address}_wire_refused",
                "Requests that were no HTTP we take, by rule. See the wire's table.",
                self.refused,
            ),
            (
                f"postroad_{self.address}_wire_cut_off",
                "Connections that took too long, by what: to send or to read.",
                self.cut_off,
            ),
            (
                f"postroad_{self.address}_wire_made_room",
                "Connections closed for others, by bound: peer, total, descriptors; busy: new ones, for want of any.",
                self.made_room,
            ),
        )
        for name, sentence, counts in families:
            family = CounterMetricFamily(name, sentence, labels=("reason",))
            for reason, count in sorted(counts.items()):
                family.add_metric((reason,), count)
            yield family
        yield GaugeMetricFamily(f"postroad_{self.address}_wire_connections", "Connections now.", value=self.open())
