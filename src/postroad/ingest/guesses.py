"""Keys that belong to nobody: counted, and answered ever more slowly to a peer that tries many.

Only the answers to wrong keys wait. A right key is never slowed, whoever else calls from the same address; and what
waits holds no body, and makes room for other connections (`web/wire/accepting.py`).
"""

from collections.abc import Iterator
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, Metric

from postroad.clock import Clock
from postroad.ingest.forwarded import NO_PROXIES, Proxies, peer_behind
from postroad.ingest.sampled import Sampled
from postroad.web.answers import Scope
from postroad.web.wire import HOLD

FREE: Final = 30
"""Wrong keys of a peer that are answered at once, in each minute: a mistyped key on a busy page has as many."""
WINDOW: Final = 60.0
STEP: Final = 0.05
"""Seconds that each further answer waits longer than the one before."""
LONGEST: Final = 2.0
PEERS: Final = 4096
"""Peers that are remembered: those of the last ones that began to try."""

WRONG_KEY: Final = "postroad.wrong_key"
"""In the scope of a request whose keys belong to no source."""


class Guesses:
    """Counts wrong keys by peer. `proxies` are believed when they say for whom they call."""

    def __init__(self, clock: Clock, proxies: Proxies = NO_PROXIES) -> None:
        self._clock = clock
        self._proxies = proxies
        self._peers: dict[str, tuple[float, int]] = {}
        self.wrong = self.slowed = 0
        self._many = Sampled("somebody tries many write keys", clock)

    @property
    def peers(self) -> int:
        """How many peers are remembered."""
        return len(self._peers)

    async def hold(self, scope: Scope) -> None:
        """Return when the answer to this request may go out: at once, unless its key is one of many wrong ones."""
        if WRONG_KEY not in scope:
            return
        self.wrong += 1
        peer = peer_behind(scope, self._proxies)
        seconds = delay_after(self._tried(peer)) if peer else 0.0
        if not seconds:
            return
        self.slowed += 1
        self._many.warn(peer=peer, wrong_since_start=self.wrong)
        extensions: dict[str, Any] = scope.get("extensions", {})
        if HOLD in extensions:
            extensions[HOLD]()
        await self._clock.sleep(seconds)

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families: `prometheus_client` calls this at every scrape."""
        for name, sentence, count in (
            ("postroad_ingest_wrong_keys", "Requests whose keys belong to no source.", self.wrong),
            ("postroad_ingest_wrong_keys_slowed", "Those whose answer had to wait: its peer tries many.", self.slowed),
        ):
            yield CounterMetricFamily(name, sentence, value=count)

    def _tried(self, peer: str) -> int:
        """Return how many wrong keys this peer has sent in its minute."""
        now = self._clock.monotonic()
        began, count = self._peers.get(peer, (now, 0))
        if now - began >= WINDOW:
            del self._peers[peer]
            began, count = now, 0
        if not count and len(self._peers) >= PEERS:
            del self._peers[next(iter(self._peers))]
        self._peers[peer] = began, count + 1
        return count + 1


def delay_after(tried: int) -> float:
    """Return how many seconds the answer waits to the wrong key that is the so many-th of its peer in a minute."""
    return min(LONGEST, max(0, tried - FREE) * STEP)
