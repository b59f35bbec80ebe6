"""What a process does beside answering requests: loops that never end by themselves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any, Final, Protocol

import structlog

from postroad.clock import Clock
from postroad.errors import StoreError
from postroad.ledger.needs import needed_from
from postroad.log.base import Log
from postroad.regions import Region

_HEAL_EVERY: Final = 1.0
_RETIRE_EVERY: Final = 60.0
_RECORD_EVERY: Final = 1.0
_NO_FLOOR: Final = 1 << 62


@contextlib.asynccontextmanager
async def running(loops: Iterable[Coroutine[Any, Any, None]], stop: asyncio.Event, grace: float) -> AsyncIterator[None]:
    """Run loops while the context lasts, then cancel them and wait, at most `grace` seconds, until they are done.

    A loop ends by itself only by a bug, and half a process is worse than none: `stop` is set then, and the loop's
    error is raised when the context is left.
    """
    tasks = [asyncio.create_task(loop) for loop in loops]
    for task in tasks:
        task.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended, _ = await asyncio.wait(tasks, timeout=grace)
    for task in ended:
        if not task.cancelled():
            task.result()


class Healing(Protocol):
    """A store that may be unusable for a while."""

    @property
    def trouble(self) -> str:
        """Why it can't be used; empty when it can, as far as is known."""
        ...

    async def check(self) -> bool:
        """Find out whether it can be used now, opening it again if need be."""
        ...


async def heal(region: str, name: str, store: Healing, clock: Clock) -> None:
    """Try again, for ever, a store that can't be used. The log has one line when that begins and one when it ends.

    `name` is what people call the store.
    """
    logger = structlog.get_logger("postroad.stores").bind(region=region, store=name)
    told = False
    while True:
        if store.trouble and not told:
            logger.error("a store can't be used; what needs it waits, and it is tried every second", why=store.trouble)
            told = True
        if store.trouble:
            await store.check()
        if told and not store.trouble:
            logger.info("the store can be used again")
            told = False
        await clock.sleep(_HEAL_EVERY)


async def retire(region: Region, log: Log, clock: Clock) -> None:
    """Remove, for ever, segments past their retention that every destination has passed."""
    logger = structlog.get_logger("postroad.log")
    while True:
        await clock.sleep(_RETIRE_EVERY)
        try:
            gone = await _retire_once(region, log)
        except StoreError as error:
            logger.warning("retention waits, because a store can't be used", reason=str(error))
        else:
            if gone:
                logger.info("retention removed events", events=gone)


async def record_ends(log: Log, clock: Clock) -> None:
    """Write down, for ever, where the log begins and ends, so that what goes behind our back is missed."""
    logger = structlog.get_logger("postroad.log")
    told = False
    while True:
        await clock.sleep(_RECORD_EVERY)
        try:
            await log.record_end()
        except StoreError as error:
            if not told:
                logger.warning("where the log ends can't be written down now", reason=str(error))
            told = True
        else:
            told = False


async def _retire_once(region: Region, log: Log) -> int:
    needed = await needed_from(region.ledger, region.starting_offsets())
    if not needed and region.configured:
        return 0  # the first start is still under way: the delivery process has opened no account yet
    return await log.retire(min(needed, default=_NO_FLOOR), region.settings.retention)
