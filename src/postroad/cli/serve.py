"""`postroad serve`: the whole server, or one of its roles."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from postroad import __version__, registry
from postroad.cli import banner
from postroad.cli.free import check_free, check_unlocked
from postroad.cli.options import ConfigFile, verb
from postroad.clock import Clock, SystemClock
from postroad.config import (
    FirstStart,
    config_file,
    ensure_admin_token,
    ensure_defaults,
    first_config,
    load_file,
)
from postroad.config.problems import did_you_mean
from postroad.errors import StoreUnavailable, UsageError
from postroad.runtime.logs import configure_logs, configured
from postroad.runtime.process import ROLES, SUPERVISED, run_role
from postroad.runtime.reloading import Reloading
from postroad.runtime.service_manager import no_core_dumps, tell_when_listening
from postroad.runtime.supervisor import Supervisor
from postroad.runtime.surroundings import check_surroundings
from postroad.storage.files import prepare_folder

_ALL = ",".join(ROLES)
_AGAIN_AFTER = 1.0
_Roles = Annotated[str, typer.Option(metavar="LIST", help="Which parts to run, with commas between.")]


def serve(*, config: ConfigFile = None, roles: _Roles = _ALL) -> None:
    """Start Postroad: accept events and deliver them until stopped.

    Without a configuration file (see --config) it starts with one region, one source whose write key it makes and
    prints once, and one destination that writes files. What destinations are owed that are not in the configuration
    is kept for them. SIGTERM or Ctrl-C finishes what is in flight.
    """
    no_core_dumps()
    wanted = _known(roles)
    file = config_file(config, os.environ)
    supervised = bool(os.environ.get(SUPERVISED))
    if not supervised:  # before anything is made
        planned = (
            load_file(file, os.environ, registry.settings_type)
            if file
            else first_config(os.environ, registry.settings_type)
        )
        check_surroundings(planned)
        check_unlocked(planned, wanted, SystemClock())
        check_free(planned.server, wanted)
    start = _prepare(file)
    if not supervised:
        with contextlib.suppress(OSError):  # where it goes may be the disk that is full
            typer.echo(banner.banner(start, file))
    if len(wanted) == 1:
        run_role(wanted[0], start.config, file)
        return  # it has told of its start and its stop
    configure_logs(start.config.server.log_level, start.config.server.log_format, "supervisor")
    status = uvloop.run(_supervise(wanted, Reloading(file, start.config), ["--config", str(file)] if file else []))
    raise typer.Exit(status)


def _known(roles: str) -> list[str]:
    names = list(dict.fromkeys(role.strip() for role in roles.split(",") if role.strip()))
    for name in names:
        if name not in ROLES:
            raise UsageError(f"{name!r} is not a role; there are {', '.join(ROLES)}{did_you_mean(name, ROLES)}")
    return names or list(ROLES)


def _prepare(file: Path | None) -> FirstStart:
    """Check the configuration, and make what a first start makes."""
    if file is None:
        start = ensure_defaults(os.environ, registry.settings_type)
    else:
        start = FirstStart(load_file(file, os.environ, registry.settings_type), None, created=False)
    prepare_folder(start.config.server.data_dir)
    with contextlib.suppress(StoreUnavailable):  # a full disk: see `_make_token`
        ensure_admin_token(start.config.server.data_dir)
    return start


async def _supervise(roles: list[str], reloading: Reloading, arguments: list[str]) -> int:
    clock, logger, config = SystemClock(), structlog.get_logger("postroad.supervisor"), reloading.config
    logger.info("Postroad starts", **configured(config))
    beside = [
        asyncio.create_task(banner.tell_ready(config, clock)),
        asyncio.create_task(_make_token(config.server.data_dir, clock)),
        asyncio.create_task(tell_when_listening((config.server.bind, config.server.admin_bind), clock)),
    ]
    try:
        return await Supervisor(roles, arguments, reloading).run()
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        logger.info("Postroad has stopped", version=__version__)


async def _make_token(data_dir: Path, clock: Clock) -> None:
    """Make the admin token as soon as there is room for it, if it isn't there."""
    while True:
        try:
            ensure_admin_token(data_dir)
        except StoreUnavailable:
            await clock.sleep(_AGAIN_AFTER)
        else:
            return


app = verb(serve)
