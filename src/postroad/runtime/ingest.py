"""The ingest process: it alone writes the logs and the rejections."""

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from postroad.clock import Clock
from postroad.config.model import Config
from postroad.regions import IngestStores, Owed, Region, open_for_ingest, open_regions
from postroad.runtime.answering import Answering, proxies_of
from postroad.runtime.descriptors import descriptors
from postroad.runtime.loops import heal, record_ends, retire, running
from postroad.runtime.reloading import Reloading
from postroad.runtime.serving import Listener, renew, serve, tls_of
from postroad.storage.layout import ingest_pulse
from postroad.storage.pulse import Pulse, RegionPulse, WindowPulse, beat
from postroad.web.wire import WireTally, bounds_within

_KEPT: Final = 96
"""Descriptors that no connection gets: logs, pipes, threads that look at files."""
_KEPT_A_REGION: Final = 32
"""The same for each region: its stores have 15 open, and some more while they are read."""


async def run_ingest(reloading: Reloading, clock: Clock, stop: asyncio.Event) -> None:
    """Accept events until `stop` is set; then answer what is in flight, write what is queued, and return. A
    configuration that is read again is followed without closing the address.

    A region whose files can't be used refuses what needs them, beside the others, until they can. Raises
    `StoreLocked` and `StoreVersion`.
    """
    config, wire, stores, owed = reloading.config, WireTally("ingest"), {}, {}
    async with contextlib.AsyncExitStack() as stack:
        regions = await stack.enter_async_context(open_regions(config, config.regions, clock))
        for one in regions:
            owed[one.name] = Owed(one, config.former_ids_in(one.name))
            stores[one.name] = await stack.enter_async_context(open_for_ingest(one, owed[one.name], clock))
        answering = Answering(config, regions, stores, wire, clock)
        listener = _listener(config)

        async def follow(found: Config) -> None:
            for name, what in owed.items():
                healthy = stores[name].log.healthy
                await what.change(found.destinations_in(name), found.former_ids_in(name), now=healthy)
            renew(listener.tls, found.server.tls)
            answering.follow(found)

        loops = [
            beat(ingest_pulse(config.server.data_dir), clock, lambda: _pulse(stores, answering, reloading, clock)),
            reloading.follow(follow, stop),
            *chain.from_iterable(_loops_of(region, stores[region.name], clock) for region in regions),
        ]
        async with running(loops, stop, config.server.shutdown_grace):
            await serve(answering, listener, stop, wire)


def _listener(config: Config) -> Listener:
    server = config.server
    kept = _KEPT + _KEPT_A_REGION * len(config.regions)
    return Listener(
        server.bind.host,
        server.bind.port,
        server.request_timeout,
        server.shutdown_grace,
        tls_of(server.tls),
        bounds_within(descriptors(), kept, proxies_of(config).trust),
    )


def _loops_of(region: Region, stores: IngestStores, clock: Clock) -> Sequence[Coroutine[Any, Any, None]]:
    """Return the loops that keep a region's stores in order: retention, the log's written ends, healing."""
    return (
        retire(region, stores.log, clock),
        record_ends(stores.log, clock),
        heal(region.name, "log", stores.log, clock),
        heal(region.name, "rejections", stores.rejections, clock),
    )


def _pulse(stores: Mapping[str, IngestStores], answering: Answering, reloading: Reloading, clock: Clock) -> Pulse:
    figures = {
        name: RegionPulse(
            log.healthy, log.queued, [WindowPulse(*one) for one in log.windows], answering.over_rate_in(name)
        )
        for name, (log, _) in stores.items()
    }
    troubles = {name: one.trouble for name, one in stores.items()}
    page = answering.counters()
    return Pulse(clock.now(), os.getpid(), page, figures, troubles=troubles, reloads=reloading.count)
