"""One role in this process: signals, the event loop, and the end of the parent."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import structlog
import uvloop

from postroad import __version__
from postroad.clock import Clock, SystemClock
from postroad.config.model import Config
from postroad.runtime.delivery import run_delivery
from postroad.runtime.descriptors import raise_limit
from postroad.runtime.ingest import run_ingest
from postroad.runtime.logs import configure_logs, configured
from postroad.runtime.reloading import Reloading, on_hangup, read_again, read_and_check
from postroad.storage.files import prepare_folder

SUPERVISED: Final = "POSTROAD_SUPERVISED"
"""Environment variable: standard input is a pipe whose end means that the supervisor is gone."""

Role = Callable[[Reloading, Clock, asyncio.Event], Awaitable[None]]

ROLES: Final[Mapping[str, Role]] = {"ingest": run_ingest, "delivery": run_delivery}

_SWITCH_INTERVAL: Final = 0.0005

_COLLECT: Final = (1_000, 10, 100)
"""Objects made and not dropped again after which the newest are looked through, and those that stay, ten times as many,
and all, a million.
"""


def run_role(role: str, config: Config, file: Path | None) -> None:
    """Run one role until SIGTERM, SIGINT or the end of the supervisor; SIGHUP, or its word, reads the configuration's
    file again. Raises `StoreError`.
    """
    configure_logs(config.server.log_level, config.server.log_format, role)
    raise_limit()
    prepare_folder(config.server.data_dir)
    # A writer thread back from its fsync would otherwise wait 5 ms for a busy event loop to yield.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    # What was imported stays. A collection that looks through all of it is 35 ms in which nobody is answered, and one
    # that looks through 6,000 connections 130 ms: seldom, then, since what is dropped leaves no cycles behind.
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    # What the supervisor hands on it has checked.
    read = read_again if os.environ.get(SUPERVISED) else read_and_check
    uvloop.run(_run(ROLES[role], Reloading(file, config, read)))


async def _run(role: Role, reloading: Reloading) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if os.environ.get(SUPERVISED):
        loop.add_reader(sys.stdin.fileno(), _told, loop, reloading, stop)
        reloading.ask = lambda: os.kill(os.getppid(), signal.SIGHUP)
    on_hangup(reloading.begin, stop)
    logger = structlog.get_logger("postroad.process")
    if os.environ.get(SUPERVISED):
        logger.info("the process starts", version=__version__)
    else:
        logger.info("Postroad starts", **configured(reloading.config))
    await role(reloading, SystemClock(), stop)
    logger.info("the process has stopped", version=__version__)


def _told(loop: asyncio.AbstractEventLoop, reloading: Reloading, stop: asyncio.Event) -> None:
    """Do as the supervisor says; it is gone when that ends."""
    told = os.read(sys.stdin.fileno(), 1024)
    if told:
        reloading.begin()
    else:
        loop.remove_reader(sys.stdin.fileno())
        stop.set()
