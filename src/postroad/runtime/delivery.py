"""The delivery process: it alone writes the ledgers, and it serves the admin address."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from functools import partial

import structlog
from msgspec.structs import asdict
from starlette.applications import Starlette

from postroad import registry
from postroad.admin import IngestDoor, admin_app, calls
from postroad.clock import Clock
from postroad.config.defaults import read_admin_token
from postroad.config.model import Config, Destination
from postroad.delivery.engine import Engine, Service
from postroad.delivery.plan import Plan
from postroad.delivery.routing import Route
from postroad.destinations.base import BatchLimits, Surroundings
from postroad.destinations.dedup import KeyForm
from postroad.destinations.email_events import without_place
from postroad.errors import StoreError
from postroad.ledger.base import Ledger
from postroad.log.base import Block, LogReader, number_of
from postroad.operations.asking import Delivered, DeliveredRegion, Nothing
from postroad.operations.reload import Reloaded, reload
from postroad.operations.status import look
from postroad.regions import Region, open_for_delivery, open_regions
from postroad.runtime.descriptors import descriptors
from postroad.runtime.holding import warn_of_held
from postroad.runtime.loops import heal, running
from postroad.runtime.reloading import Reloading, read_and_check
from postroad.runtime.serving import Listener, serve
from postroad.shaping.shape import Shape, make_shape
from postroad.storage.layout import delivery_pulse, ingest_pulse, region_files
from postroad.storage.pulse import Pulse, beat, read_pulse
from postroad.storage.starting_offsets import drop_starting_offset
from postroad.web.metrics import counters
from postroad.web.reference import reference_pages, servers_of
from postroad.web.token import AdminToken
from postroad.web.wire import Bounds, WireTally

_FORGET_EVERY = 300.0
_CONNECTIONS = 512
"""At the admin address; destinations need most of the descriptors. Nearly all of its callers share an address."""


async def run_delivery(reloading: Reloading, clock: Clock, stop: asyncio.Event) -> None:
    """Deliver and serve the admin address until `stop` is set; then settle what is in flight and return. When a
    configuration is read again that has other destinations, or transforms, whose code may be another, all of that is
    done for it, and delivery goes on.

    A region whose files can't be used delivers nothing, beside the others, until they can. Raises `StoreLocked`
    and `StoreVersion`.
    """
    async for config, over in reloading.generations(stop, _delivered_by):
        await _deliver(config, reloading, clock, over)


def _delivered_by(config: Config) -> object:
    has_code = any(place.transform for place in config.destinations.values())
    return config if has_code else config.destinations  # no configuration is the same as one that was read again


async def _deliver(config: Config, reloading: Reloading, clock: Clock, stop: asyncio.Event) -> None:
    await warn_of_held(config, clock)
    async with contextlib.AsyncExitStack() as stack:
        regions = await stack.enter_async_context(open_regions(config, config.regions, clock))
        delivered, loops = {}, []
        for region in regions:
            tell = partial(_tell_what_is_damaged, region.name)
            log, ledger = await stack.enter_async_context(open_for_delivery(region, tell, clock))
            engine = await stack.enter_async_context(_engine(config, region, log, ledger, clock))
            delivered[region.name] = DeliveredRegion(region, ledger, engine)
            loops += [engine.run(), _forget(log, ledger, clock), heal(region.name, "ledger", ledger, clock)]
        wire = WireTally("admin")
        app = _admin(config, delivered, wire, reloading, clock)
        loops.append(beat(delivery_pulse(config.server.data_dir), clock, lambda: _pulse(delivered, clock)))
        async with running(loops, stop, config.server.shutdown_grace):
            await serve(app, _listener(config), stop, wire)


def _admin(config: Config, delivered: Delivered, wire: WireTally, reloading: Reloading, clock: Clock) -> Starlette:
    token = AdminToken(partial(read_admin_token, config.server.data_dir))
    figures = partial(look, [one.region for one in delivered.values()], clock)
    return admin_app(
        calls(delivered, partial(_reload, reloading, clock), clock),
        figures,
        lambda: [*_pulses(config, clock), counters(wire)],
        IngestDoor(config.server, token).retry,
        reference=reference_pages(servers_of(config), takes_calls=False),
        token=token,
        clock=clock,
    )


@contextlib.asynccontextmanager
async def _engine(
    config: Config, region: Region, log: LogReader, ledger: Ledger, clock: Clock
) -> AsyncIterator[Engine]:
    places = config.destinations_in(region.name)
    services = [_service(config, destination, place, clock) for destination, place in places.items()]
    try:
        yield Engine(
            services,
            log,
            ledger,
            clock,
            region.starting_offsets,
            drop_starting_offset=lambda gone: asyncio.to_thread(
                drop_starting_offset, region.files.starting_offsets, gone
            ),
            retention=region.settings.retention,
        )
    finally:
        for service in services:
            if isinstance(service.plan.shape, Shape):
                await service.plan.shape.close()


async def _reload(reloading: Reloading, clock: Clock, _asked: Nothing) -> Reloaded:
    pulse = ingest_pulse(reloading.config.server.data_dir)
    look = partial(read_and_check, reloading.file, reloading.config)
    return await reload(look, reloading.ask, lambda: read_pulse(pulse, clock), clock)


def _tell_what_is_damaged(region: str, lost: Block, why: str) -> None:
    structlog.get_logger("postroad.log").error(
        "a part of the log can't be read; what is around it is delivered",
        region=region,
        events=lost.lost,
        first_block=lost.number,
        last_block=number_of(lost.end) - 1,
        reason=why,
    )


def _service(config: Config, name: str, place: Destination, clock: Clock) -> Service:
    kind = registry.load(place.type)
    surroundings = Surroundings(
        id=name,
        region=place.region,
        folder=region_files(config.server.data_dir, place.region).folder,
        clock=clock,
        timeout=place.timeout,
        allow_private=place.allow_private,
        write=_print,
    )
    plan = Plan(
        destination=name,
        region=place.region,
        route=Route(place.names, frozenset(place.events) if place.events else None, place.enabled),
        retry=place.retry,
        concurrency=place.concurrency,
        timeout=place.timeout,
        batch=_limits(place, kind.batch),
        rate=place.rate,
        expire_after=config.regions[place.region].retention if place.on_backlog_full == "expire" else None,
        shape=make_shape(place.transform, place.pii, config.server.data_dir, clock, config.server.transform_path),
        unsupported=without_place(kind.email_events),
        form=KeyForm.MESSAGE_ID if place.dedup_key == "message_id" else KeyForm.DIGEST,
    )
    make, from_beginning = partial(kind, place.settings, surroundings), place.start_from == "beginning"
    return Service(plan, make, from_beginning, place.was or None, place.on_backlog_full)


def _limits(place: Destination, best: BatchLimits) -> BatchLimits:
    """Return what suits the type best, but for what the configuration says."""
    said = {name: value for name, value in asdict(place.batch).items() if value is not None}
    return best._replace(**said)


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # the console destination's purpose


def _listener(config: Config) -> Listener:
    server = config.server
    most = min(_CONNECTIONS, descriptors() // 4)
    return Listener(
        server.admin_bind.host,
        server.admin_bind.port,
        server.request_timeout,
        server.shutdown_grace,
        bounds=Bounds(most, most),
    )


def _pulse(delivered: Delivered, clock: Clock) -> Pulse:
    states = {name: dict(one.engine.states()) for name, one in delivered.items()}
    troubles = {name: one.ledger.trouble for name, one in delivered.items()}
    return Pulse(clock.now(), os.getpid(), "", states=states, troubles=troubles)


def _pulses(config: Config, clock: Clock) -> list[str]:
    pulse = read_pulse(ingest_pulse(config.server.data_dir), clock)
    return [pulse.metrics] if pulse else []


async def _forget(log: LogReader, ledger: Ledger, clock: Clock) -> None:
    """Fold, for ever, the outcomes of retired blocks into the totals."""
    while True:
        await clock.sleep(_FORGET_EVERY)
        try:
            await ledger.forget(await log.first())
        except StoreError as error:
            structlog.get_logger("postroad.delivery").warning("retired blocks stay in the books", reason=str(error))
