"""What answers at the ingest address, by one configuration. Another one, read while the server runs, is answered for by
another app beside the same stores and counters; what is under way ends with the one that it began with.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_network

from postroad.clock import Clock
from postroad.config.defaults import read_admin_token
from postroad.config.model import Config
from postroad.ingest.app import IngestApp, Operators, Page
from postroad.ingest.browser import BrowserSettings
from postroad.ingest.forwarded import Proxies
from postroad.ingest.guesses import Guesses
from postroad.ingest.ingest import Ingest
from postroad.ingest.keeping import Keeper
from postroad.ingest.keyring import ApiSource, KeyRing
from postroad.ingest.limits import SourceLimits
from postroad.ingest.retry import Retry, RetryRegion
from postroad.ingest.senders import Senders
from postroad.ingest.tally import IngestTally
from postroad.operations.status import look
from postroad.regions import IngestStores, Region
from postroad.web.answers import Answer, Receive, Scope, Send
from postroad.web.health import livez, readyz
from postroad.web.local import RETRY
from postroad.web.metrics import counters, metrics
from postroad.web.reference import reference_pages, servers_of
from postroad.web.token import AdminToken
from postroad.web.wire import WireTally


class Answering:
    """Answers requests by the configuration that `follow` was called with last."""

    def __init__(
        self,
        config: Config,
        regions: Sequence[Region],
        stores: Mapping[str, IngestStores],
        wire: WireTally,
        clock: Clock,
    ) -> None:
        self._regions, self._stores, self._clock = regions, stores, clock
        self._wire, self._tally = wire, IngestTally()
        self._guesses = Guesses(clock, proxies_of(config))
        self._secret = secrets.token_bytes(16)
        self._reference = reference_pages(servers_of(config), takes_calls=True)
        self.follow(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3, HTTP only)."""
        await self._app(scope, receive, send)

    def follow(self, config: Config) -> None:
        """Answer by this configuration from now on. The rates of its sources begin anew."""
        proxies = proxies_of(config)
        senders = Senders(key_ring(config), {name: one.hosts for name, one in config.regions.items()}, proxies)
        regions = [replace(one, configured=config.destinations_in(one.name)) for one in self._regions]
        pages: dict[str, Page] = {"/livez": livez, "/readyz": partial(readyz, partial(look, regions, self._clock))}
        self._app = IngestApp(
            self._ingest(config, senders),
            BrowserSettings(senders, proxies),
            pages,
            self._tally,
            self._clock,
            reference=self._reference,
            operators=self._operators(config, regions),
            guesses=self._guesses,
        )

    def counters(self) -> str:
        """Return the counters of this process, in Prometheus's text form."""
        return counters(self._tally, self._wire, self._guesses)

    def over_rate_in(self, region: str) -> dict[str, int]:
        """Return how many requests of each source of a region were answered 429."""
        return self._tally.over_rate_in(region)

    def _operators(self, config: Config, regions: Sequence[Region]) -> Operators:
        retry = Retry(
            {one.name: RetryRegion(self._stores[one.name].rejections, one.rejections) for one in regions},
            _sources(config),
            Keeper(self._stores, self._tally, self._clock),
            clock=self._clock,
            secret=self._secret,
        )

        async def figures(_body: object) -> Answer:
            return metrics(await look(regions, self._clock), [self.counters()])

        token = AdminToken(partial(read_admin_token, config.server.data_dir))
        return Operators(token, {("POST", RETRY): retry.answer, ("GET", "/metrics"): figures})

    def _ingest(self, config: Config, senders: Senders) -> Ingest:
        return Ingest(
            senders,
            self._stores,
            self._clock,
            self._tally,
            _new_message_id,
            proxies=proxies_of(config),
            always_strict=config.server.strict == "always",
            limits=SourceLimits(
                {name: source.limits for name, source in config.sources.items()}, self._clock, self._tally
            ),
        )


def key_ring(config: Config) -> KeyRing:
    """Return the ring of all write keys."""
    sources = _sources(config)
    return KeyRing({digest: sources[name] for name, source in config.sources.items() for digest in source.key_hashes})


def proxies_of(config: Config) -> Proxies:
    """Return who is believed when it says for whom it calls."""
    server = config.server
    return Proxies([ip_network(network) for network in server.trusted_proxies], server.proxy_headers)


def _sources(config: Config) -> dict[str, ApiSource]:
    return {
        name: ApiSource(
            name, source.region, (source.strict or config.server.strict) == "always", is_public=source.is_public
        )
        for name, source in config.sources.items()
    }


def _new_message_id() -> str:
    return f"postroad-{secrets.token_hex(16)}"
