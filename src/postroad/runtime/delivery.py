"""The delivery process: it alone writes the ledgers, and it serves the admin address."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from functools import partial

import structlog
from starlette.applications import Starlette

from postroad import registry
from postroad.admin import (
    DeadApi,
    DeadRegion,
    DestinationsApi,
    DestinationsRegion,
    IngestDoor,
    Pages,
    RejectionsApi,
    ReplayRegion,
    ReplaysApi,
    admin_app,
)
from postroad.clock import Clock
from postroad.config.defaults import read_admin_token
from postroad.config.model import Config, Destination
from postroad.delivery.engine import Engine, Service
from postroad.delivery.plan import Plan
from postroad.delivery.rate import Rate
from postroad.delivery.routing import Route
from postroad.delivery.schedule import RetryPolicy
from postroad.destinations.base import BatchLimits, Surroundings
from postroad.destinations.email_events import without_place
from postroad.errors import StoreError
from postroad.ledger.base import Quota
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import Block, number_of
from postroad.log.embedded.reader import SqliteLogReader
from postroad.rejections import RejectionsReader
from postroad.runtime.healing import heal
from postroad.runtime.holding import warn_of_held
from postroad.runtime.looking import Views
from postroad.runtime.loops import running
from postroad.runtime.referring import servers_of
from postroad.runtime.serving import Listener, serve
from postroad.shaping.privacy import Modes
from postroad.shaping.shape import Shape, make_shape
from postroad.storage.announced import read_announced, withdraw
from postroad.storage.layout import delivery_pulse, ingest_pulse, region_files
from postroad.storage.pulse import Pulse, beat, read_pulse
from postroad.web.metrics import counters
from postroad.web.reference import reference_pages
from postroad.web.token import AdminToken
from postroad.web.wire import WireTally

_FORGET_EVERY = 300.0


async def run_delivery(config: Config, clock: Clock, stop: asyncio.Event) -> None:
    """Deliver and serve the admin address until `stop` is set; then settle what is in flight and return.

    A region whose files can't be used delivers nothing, beside the others, until they can. Raises `StoreLocked`
    and `StoreVersion`.
    """
    await warn_of_held(config, clock)
    async with contextlib.AsyncExitStack() as stack:
        ledgers, engines, dead, replays, places, loops = {}, {}, {}, {}, {}, []
        for name in config.regions:
            engine, ledger, log = await stack.enter_async_context(_open_region(config, name, clock))
            engines[name], ledgers[name] = engine, ledger
            configured, files = config.destinations_in(name), region_files(config.server.data_dir, name)
            replays[name] = ReplayRegion(log, ledger, engine, configured)
            dead[name] = DeadRegion(ledger, engine.poke, configured)
            announced = partial(read_announced, files.announced)
            places[name] = DestinationsRegion(configured, log, ledger, announced, engine)
            loops += [engine.run(), _forget(log, ledger, clock), heal(name, "ledger", ledger, clock)]
        views = Views(config, clock)
        stack.push_async_callback(views.close)
        lists = DeadApi(dead, clock), ReplaysApi(replays), DestinationsApi(places)
        wire = WireTally("admin")
        app = _admin(config, lists, views, wire, clock)
        loops.append(beat(delivery_pulse(config.server.data_dir), clock, lambda: _pulse(engines, ledgers, clock)))
        async with running(loops, stop, config.server.shutdown_grace):
            await serve(app, _listener(config), stop, wire)


def _admin(
    config: Config, lists: tuple[DeadApi, ReplaysApi, DestinationsApi], views: Views, wire: WireTally, clock: Clock
) -> Starlette:
    dead, replays, destinations = lists
    folder = config.server.data_dir
    token = AdminToken(partial(read_admin_token, folder))
    rejections = {name: RejectionsReader(region_files(folder, name).rejections) for name in config.regions}
    return admin_app(
        Pages(views.look, lambda: [*_pulses(config, clock), counters(wire)]),
        dead,
        RejectionsApi(rejections, IngestDoor(config.server, token).retry),
        replays,
        destinations,
        reference=reference_pages(servers_of(config), takes_calls=False),
        token=token,
    )


@contextlib.asynccontextmanager
async def _open_region(
    config: Config, name: str, clock: Clock
) -> AsyncIterator[tuple[Engine, SqliteLedger, SqliteLogReader]]:
    files = region_files(config.server.data_dir, name)
    is_new = not (files.ledger.exists() and files.ledger.stat().st_size)
    quota = config.regions[name].dead_letters
    ledger = SqliteLedger.open(files.ledger, quota=Quota(quota.rows, quota.bytes))
    log = SqliteLogReader(files.log, clock, tell=partial(_tell_what_is_damaged, name))
    if is_new:
        await _tell_of_loss(name, log)
    services = [
        _service(config, destination, place, clock) for destination, place in config.destinations_in(name).items()
    ]
    try:
        engine = Engine(
            services,
            log,
            ledger,
            clock,
            partial(read_announced, files.announced),
            withdraw=partial(withdraw, files.announced),
            retention=config.regions[name].retention,
        )
        yield engine, ledger, log
    finally:
        for service in services:
            if isinstance(service.plan.shape, Shape):
                await service.plan.shape.close()
        await log.close()
        await ledger.close()


async def _tell_of_loss(region: str, log: SqliteLogReader) -> None:
    with contextlib.suppress(StoreError):  # a log that can't be read is told elsewhere
        if (await log.state()).appended:
            structlog.get_logger("postroad.delivery").warning(
                "there was no ledger, and the log has events: a new one begins, which knows only of what is owed since"
                " its destinations were configured; what was delivered of that before is delivered again",
                region=region,
            )


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
    settings = registry.settings_of(place.type, place.options, f"destinations.{name}")
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
        retry=RetryPolicy(place.retry.first, place.retry.factor, place.retry.max_interval, place.retry.max_age),
        concurrency=place.concurrency,
        timeout=place.timeout,
        batch=_limits(place, kind.batch),
        rate=Rate(place.rate.events, place.rate.requests),
        expire_after=config.regions[place.region].retention if place.on_backlog_full == "expire" else None,
        shape=make_shape(place.transform, _modes(place), config.server.data_dir, clock),
        unsupported=without_place(kind.email_events),
    )
    make, from_beginning = partial(kind, settings, surroundings), place.start_from == "beginning"
    return Service(plan, make, from_beginning, place.was or None, place.on_backlog_full)


def _modes(place: Destination) -> Modes:
    return Modes(place.pii.email, place.pii.ip, place.pii.user_agent, place.pii.link_url)


def _limits(place: Destination, best: BatchLimits) -> BatchLimits:
    """Return what suits the type best, but for what the configuration says."""
    said = place.batch
    return BatchLimits(
        best.max_events if said.max_events is None else said.max_events,
        best.max_bytes if said.max_bytes is None else said.max_bytes,
        best.linger if said.linger is None else said.linger,
        best.frozen,
    )


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # the console destination's purpose


def _listener(config: Config) -> Listener:
    server = config.server
    return Listener(server.admin_bind.host, server.admin_bind.port, server.request_timeout, server.shutdown_grace)


def _pulse(engines: Mapping[str, Engine], ledgers: Mapping[str, SqliteLedger], clock: Clock) -> Pulse:
    states = {name: dict(engine.states()) for name, engine in engines.items()}
    troubles = {name: ledger.trouble for name, ledger in ledgers.items()}
    return Pulse(clock.now(), os.getpid(), "", states=states, troubles=troubles)


def _pulses(config: Config, clock: Clock) -> list[str]:
    pulse = read_pulse(ingest_pulse(config.server.data_dir), clock)
    return [pulse.metrics] if pulse else []


async def _forget(log: SqliteLogReader, ledger: SqliteLedger, clock: Clock) -> None:
    """Fold, for ever, the outcomes of retired blocks into the totals."""
    while True:
        await clock.sleep(_FORGET_EVERY)
        try:
            await ledger.forget(await log.first())
        except StoreError as error:
            structlog.get_logger("postroad.delivery").warning("retired blocks stay in the books", reason=str(error))
