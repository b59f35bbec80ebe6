"""The ingest process: it alone writes the logs and the rejections."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from ipaddress import ip_network
from itertools import chain
from typing import Any, Final

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
from postroad.regions import IngestStores, Region, open_for_ingest, open_regions
from postroad.runtime.descriptors import descriptors
from postroad.runtime.loops import heal, record_ends, retire, running
from postroad.runtime.serving import Listener, serve
from postroad.storage.layout import ingest_pulse
from postroad.storage.pulse import Pulse, RegionPulse, WindowPulse, beat
from postroad.web.answers import Answer
from postroad.web.health import livez, readyz
from postroad.web.local import RETRY
from postroad.web.metrics import counters, metrics
from postroad.web.reference import reference_pages, servers_of
from postroad.web.token import AdminToken
from postroad.web.wire import WireTally, bounds_within

_KEPT: Final = 96
"""Descriptors that no connection gets: logs, pipes, threads that look at files."""
_KEPT_A_REGION: Final = 32
"""The same for each region: its stores have 15 open, and some more while they are read."""


async def run_ingest(config: Config, clock: Clock, stop: asyncio.Event) -> None:
    """Accept events until `stop` is set; then answer what is in flight, write what is queued, and return.

    A region whose files can't be used refuses what needs them, beside the others, until they can. Raises
    `StoreLocked` and `StoreVersion`.
    """
    tally, wire, proxies = IngestTally(), WireTally("ingest"), _proxies(config)
    guesses = Guesses(clock, proxies)
    async with contextlib.AsyncExitStack() as stack:
        regions = await stack.enter_async_context(open_regions(config, config.regions, clock))
        stores = {
            one.name: await stack.enter_async_context(open_for_ingest(one, config.former_ids_in(one.name), clock))
            for one in regions
        }
        senders = Senders(key_ring(config), {name: region.hosts for name, region in config.regions.items()}, proxies)
        ingest = _ingest(config, senders, stores, clock, tally)
        pages: dict[str, Page] = {"/livez": livez, "/readyz": partial(readyz, partial(look, regions, clock))}
        reference = reference_pages(servers_of(config), takes_calls=True)
        retry = _retry(config, regions, stores, Keeper(stores, tally), clock)

        page = partial(counters, tally, wire, guesses)

        async def figures(_body: object) -> Answer:
            return metrics(await look(regions, clock), [page()])

        token = AdminToken(partial(read_admin_token, config.server.data_dir))
        operators = Operators(token, {("POST", RETRY): retry.answer, ("GET", "/metrics"): figures})
        settings = BrowserSettings(senders, proxies)
        app = IngestApp(
            ingest, settings, pages, tally, clock, reference=reference, operators=operators, guesses=guesses
        )
        loops = [
            beat(ingest_pulse(config.server.data_dir), clock, lambda: _pulse(stores, tally, page(), clock)),
            *chain.from_iterable(_loops_of(region, stores[region.name], clock) for region in regions),
        ]
        async with running(loops, stop, config.server.shutdown_grace):
            await serve(app, _listener(config, proxies), stop, wire)


def _ingest(
    config: Config, senders: Senders, stores: Mapping[str, IngestStores], clock: Clock, tally: IngestTally
) -> Ingest:
    return Ingest(
        senders,
        stores,
        clock,
        tally,
        _new_message_id,
        proxies=_proxies(config),
        always_strict=config.server.strict == "always",
        limits=SourceLimits({name: source.limits for name, source in config.sources.items()}, clock, tally),
    )


def key_ring(config: Config) -> KeyRing:
    """Return the ring of all write keys."""
    sources = _sources(config)
    return KeyRing({digest: sources[name] for name, source in config.sources.items() for digest in source.key_hashes})


def _proxies(config: Config) -> Proxies:
    server = config.server
    return Proxies([ip_network(network) for network in server.trusted_proxies], server.proxy_headers)


def _sources(config: Config) -> dict[str, ApiSource]:
    return {
        name: ApiSource(
            name, source.region, (source.strict or config.server.strict) == "always", is_public=source.is_public
        )
        for name, source in config.sources.items()
    }


def _retry(
    config: Config, regions: Sequence[Region], stores: Mapping[str, IngestStores], keeper: Keeper, clock: Clock
) -> Retry:
    return Retry(
        {region.name: RetryRegion(stores[region.name].rejections, region.rejections) for region in regions},
        _sources(config),
        keeper,
        clock=clock,
    )


def _listener(config: Config, proxies: Proxies) -> Listener:
    server = config.server
    kept = _KEPT + _KEPT_A_REGION * len(config.regions)
    return Listener(
        server.bind.host,
        server.bind.port,
        server.request_timeout,
        server.shutdown_grace,
        str(server.tls.cert) if server.tls else None,
        str(server.tls.key) if server.tls else None,
        bounds_within(descriptors(), kept, proxies.trust),
    )


def _new_message_id() -> str:
    return f"postroad-{secrets.token_hex(16)}"


def _loops_of(region: Region, stores: IngestStores, clock: Clock) -> Sequence[Coroutine[Any, Any, None]]:
    """Return the loops that keep a region's stores in order: retention, the log's written ends, healing."""
    return (
        retire(region, stores.log, clock),
        record_ends(stores.log, clock),
        heal(region.name, "log", stores.log, clock),
        heal(region.name, "rejections", stores.rejections, clock),
    )


def _pulse(stores: Mapping[str, IngestStores], tally: IngestTally, page: str, clock: Clock) -> Pulse:
    figures = {
        name: RegionPulse(log.healthy, log.queued, [WindowPulse(*one) for one in log.windows], tally.over_rate_in(name))
        for name, (log, _) in stores.items()
    }
    troubles = {name: one.trouble for name, one in stores.items()}
    return Pulse(clock.now(), os.getpid(), page, figures, troubles=troubles)
