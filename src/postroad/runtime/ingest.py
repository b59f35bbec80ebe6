"""The ingest process: it alone writes the logs and the rejections."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from functools import partial
from ipaddress import ip_network
from itertools import chain

from postroad.clock import Clock
from postroad.config.defaults import read_admin_token
from postroad.config.model import Config
from postroad.ingest.app import IngestApp, Operators, Page
from postroad.ingest.browser import BrowserSettings
from postroad.ingest.ingest import Ingest
from postroad.ingest.keeping import Keeper, RegionStores
from postroad.ingest.keyring import ApiSource, KeyRing
from postroad.ingest.retry import Retry, RetryRegion
from postroad.ingest.senders import Senders
from postroad.ingest.tally import IngestTally
from postroad.runtime.looking import Views
from postroad.runtime.loops import running
from postroad.runtime.referring import servers_of
from postroad.runtime.regions import OpenRegion, loops_of, open_regions
from postroad.runtime.serving import Listener, serve
from postroad.storage.layout import ingest_pulse
from postroad.storage.pulse import Pulse, RegionPulse, WindowPulse, beat
from postroad.web.answers import Answer
from postroad.web.health import livez, readyz
from postroad.web.local import RETRY
from postroad.web.metrics import counters, metrics
from postroad.web.reference import reference_pages
from postroad.web.token import AdminToken
from postroad.web.wire import WireTally


async def run_ingest(config: Config, clock: Clock, stop: asyncio.Event) -> None:
    """Accept events until `stop` is set; then answer what is in flight, write what is queued, and return.

    A region whose files can't be used refuses what needs them, beside the others, until they can. Raises
    `StoreLocked` and `StoreVersion`.
    """
    tally, wire = IngestTally(), WireTally("ingest")
    async with open_regions(config, clock) as regions, _views(config, clock) as views:
        stores = {name: RegionStores(region.log, region.rejections) for name, region in regions.items()}
        keys, trusted = key_ring(config), [ip_network(network) for network in config.server.trusted_proxies]
        senders = Senders(keys, {name: region.hosts for name, region in config.regions.items()}, trusted)
        always_strict = config.server.strict == "always"
        ingest = Ingest(senders, stores, clock, tally, _new_message_id, always_strict=always_strict)
        pages: dict[str, Page] = {"/livez": livez, "/readyz": partial(readyz, views.look)}
        reference = reference_pages(servers_of(config), takes_calls=True)
        retry = _retry(config, regions, Keeper(stores, tally), clock)

        async def figures(_body: object) -> Answer:
            return metrics(await views.look(), [counters(tally, wire)])

        token = AdminToken(partial(read_admin_token, config.server.data_dir))
        operators = Operators(token, {("POST", RETRY): retry.answer, ("GET", "/metrics"): figures})
        app = IngestApp(
            ingest, BrowserSettings(senders, trusted), pages, tally, clock, reference=reference, operators=operators
        )
        loops = [
            beat(ingest_pulse(config.server.data_dir), clock, lambda: _pulse(regions, counters(tally, wire), clock)),
            *chain.from_iterable(loops_of(name, region, clock) for name, region in regions.items()),
        ]
        async with running(loops, stop, config.server.shutdown_grace):
            await serve(app, _listener(config), stop, wire)


def key_ring(config: Config) -> KeyRing:
    """Return the ring of all write keys."""
    sources = _sources(config)
    return KeyRing({digest: sources[name] for name, source in config.sources.items() for digest in source.key_hashes})


def _sources(config: Config) -> dict[str, ApiSource]:
    return {
        name: ApiSource(name, source.region, (source.strict or config.server.strict) == "always")
        for name, source in config.sources.items()
    }


def _retry(config: Config, regions: Mapping[str, OpenRegion], keeper: Keeper, clock: Clock) -> Retry:
    return Retry(
        {name: RetryRegion(region.rejections, region.rejected) for name, region in regions.items()},
        _sources(config),
        keeper,
        clock=clock,
    )


@contextlib.asynccontextmanager
async def _views(config: Config, clock: Clock) -> AsyncIterator[Views]:
    views = Views(config, clock)
    try:
        yield views
    finally:
        await views.close()


def _listener(config: Config) -> Listener:
    server = config.server
    return Listener(
        server.bind.host,
        server.bind.port,
        server.request_timeout,
        server.shutdown_grace,
        str(server.tls.cert) if server.tls else None,
        str(server.tls.key) if server.tls else None,
    )


def _new_message_id() -> str:
    return f"postroad-{secrets.token_hex(16)}"


def _pulse(regions: Mapping[str, OpenRegion], page: str, clock: Clock) -> Pulse:
    figures = {
        name: RegionPulse(region.log.healthy, region.log.queued, WindowPulse(*region.log.window))
        for name, region in regions.items()
    }
    troubles = {name: region.trouble for name, region in regions.items()}
    return Pulse(clock.now(), os.getpid(), page, figures, troubles=troubles)
