"""The delivery process: it alone writes the ledgers, and it serves the admin address."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from functools import partial

from postroad import registry
from postroad.clock import Clock
from postroad.config.defaults import ensure_admin_token
from postroad.config.model import Config, Destination
from postroad.delivery.engine import Engine, Service
from postroad.delivery.routing import Route
from postroad.delivery.schedule import RetryPolicy
from postroad.delivery.worker import Plan
from postroad.destinations.base import Surroundings
from postroad.layout import delivery_pulse, ingest_pulse, region_files
from postroad.ledger.sqlite import SqliteLedger
from postroad.log.reader import SqliteLogReader
from postroad.pulse import Pulse, beat, read_pulse
from postroad.runtime.looking import Views
from postroad.runtime.serving import Listener, serve
from postroad.web.admin import Admin, AdminRegion, admin_app

_FORGET_EVERY = 300.0


async def run_delivery(config: Config, clock: Clock, stop: asyncio.Event) -> None:
    """Deliver and serve the admin address until `stop` is set; then settle what is in flight and return.

    Raises `StoreError` when the data folder can't be used.
    """
    async with contextlib.AsyncExitStack() as stack:
        engines, admin_regions, loops = {}, {}, []
        for name in config.regions:
            engine, ledger, log = await stack.enter_async_context(_open_region(config, name, clock))
            engines[name] = engine
            admin_regions[name] = AdminRegion(ledger, engine.poke)
            loops += [engine.run(), _forget(log, ledger, clock)]
        views = Views(config, clock)
        stack.push_async_callback(views.close)
        admin = Admin(admin_regions, views.look, lambda: _pulses(config, clock), clock)
        token, _ = ensure_admin_token(config.server.data_dir)
        loops.append(beat(delivery_pulse(config.server.data_dir), clock, lambda: _pulse(engines, clock)))
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            await serve(admin_app(admin, token), _listener(config), stop)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=config.server.shutdown_grace)


@contextlib.asynccontextmanager
async def _open_region(
    config: Config, name: str, clock: Clock
) -> AsyncIterator[tuple[Engine, SqliteLedger, SqliteLogReader]]:
    files = region_files(config.server.data_dir, name)
    files.folder.mkdir(mode=0o700, exist_ok=True)
    ledger = SqliteLedger.open(files.ledger)
    log = SqliteLogReader(files.log, clock)
    services = [
        _service(config, destination, place, clock) for destination, place in config.destinations_in(name).items()
    ]
    try:
        yield Engine(services, log, ledger, clock), ledger, log
    finally:
        await log.close()
        await ledger.close()


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
    )
    return Service(plan, partial(kind, settings, surroundings), place.start_from == "beginning")


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # the console destination's purpose


def _listener(config: Config) -> Listener:
    server = config.server
    return Listener(server.admin_bind.host, server.admin_bind.port, server.request_timeout, server.shutdown_grace)


def _pulse(engines: Mapping[str, Engine], clock: Clock) -> Pulse:
    states = {name: dict(engine.states()) for name, engine in engines.items()}
    return Pulse(clock.now(), os.getpid(), "", states=states)


def _pulses(config: Config, clock: Clock) -> list[str]:
    pulse = read_pulse(ingest_pulse(config.server.data_dir), clock)
    return [pulse.metrics] if pulse else []


async def _forget(log: SqliteLogReader, ledger: SqliteLedger, clock: Clock) -> None:
    """Fold, for ever, the outcomes of retired blocks into the totals."""
    while True:
        await clock.sleep(_FORGET_EVERY)
        await ledger.forget(await log.first())
