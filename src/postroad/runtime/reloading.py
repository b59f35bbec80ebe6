"""Reading the configuration again while the server runs, and what each process does then."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import structlog

from postroad import registry
from postroad.config import Config, load_file
from postroad.config.changing import Change, compare
from postroad.errors import ConfigError, PostroadError, StoreError
from postroad.runtime.surroundings import check_surroundings

RELOAD: Final = b"reload\n"
"""What the supervisor writes to a process that it keeps: unlike a signal, it waits until the process can read it."""


def read_again(file: Path | None, config: Config) -> tuple[Config, Change]:
    """Return what a configuration file says now, and what is another in it than in `config`. Blocks.

    Raises `ConfigError` with all problems: the file's, settings that need a restart, and no file at all.
    """
    if file is None:
        raise ConfigError(["the server was started without a configuration file, so there is nothing to read again"])
    found = load_file(file, os.environ, registry.settings_type)
    change = compare(config, found)
    return found, change


def read_and_check(file: Path | None, config: Config) -> tuple[Config, Change]:
    """Do the same, and try what the configuration points to: certificates and transforms. Raises the same."""
    found, change = read_again(file, config)
    check_surroundings(found)
    return found, change


Read = Callable[[Path | None, Config], tuple[Config, Change]]


class Reloading:
    """The configuration that a process works by, which may be read again. `count` is how often another was followed,
    `ask` has all processes of this server read it.
    """

    def __init__(self, file: Path | None, config: Config, read: Read = read_and_check) -> None:
        self.file = file
        self.config = config
        self._read = read
        self.count = 0
        self.ask: Callable[[], None] = self.begin
        self._reloading: set[asyncio.Task[bool]] = set()
        self.tell: Callable[[], None] = lambda: None
        """Called after each."""
        self._follow: list[Callable[[], None]] = []
        self._logger = structlog.get_logger("postroad.process")

    def begin(self) -> None:
        """Begin to reload."""
        task = asyncio.get_running_loop().create_task(self.reload())
        self._reloading.add(task)
        task.add_done_callback(self._reloading.discard)

    async def reload(self) -> bool:
        """Read the file again; what can't be used changes nothing, and the log says why."""
        try:
            self.config, change = await asyncio.to_thread(self._read, self.file, self.config)
        except PostroadError as error:
            self._logger.error("the configuration was not reloaded; the old one goes on", reason=str(error))  # noqa: TRY400  # a trace would say nothing more
            return False
        self._logger.info("the configuration was reloaded", **change._asdict())
        for follow in list(self._follow):
            follow()
        self.tell()
        return True

    async def follow(self, take: Callable[[Config], Awaitable[None]], stop: asyncio.Event) -> None:
        """Have each further configuration taken, until `stop` is set. One that can't be is logged."""
        first = self.config
        async for config, over in self.generations(stop, lambda config: config):
            if config is not first:
                try:
                    await take(config)
                except (StoreError, OSError) as error:
                    self._logger.error("the configuration is not followed", reason=str(error))  # noqa: TRY400  # nor here
                else:
                    self.count += 1
            await over.wait()

    async def generations(
        self, stop: asyncio.Event, part: Callable[[Config], Any]
    ) -> AsyncIterator[tuple[Config, asyncio.Event]]:
        """Yield the configuration, and an event that is set when this part of it is another or `stop` is set; then the
        next one, until `stop` is set.
        """
        while not stop.is_set():
            config, over = self.config, asyncio.Event()

            def look(seen: Config = config, end: asyncio.Event = over) -> None:
                if part(self.config) != part(seen):
                    end.set()

            stopped = asyncio.create_task(_hand_on(stop, over))
            self._follow.append(look)
            try:
                yield config, over
            finally:
                self._follow.remove(look)
                stopped.cancel()


async def _hand_on(stop: asyncio.Event, over: asyncio.Event) -> None:
    await stop.wait()
    over.set()


def on_hangup(reload: Callable[[], None], stop: asyncio.Event) -> None:
    """Let SIGHUP reload, from now on; the one of a terminal that was closed stops, as Ctrl-C does."""
    had_terminal = os.isatty(0)

    def handle() -> None:
        if had_terminal and not os.isatty(0):
            stop.set()
        else:
            reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, handle)
