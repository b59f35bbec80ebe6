"""Reading the configuration again, for an operator who waits for it."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from postroad.clock import Clock
from postroad.config import Config
from postroad.config.changing import Change
from postroad.errors import ConfigError, StoreUnavailable, UsageError
from postroad.storage.pulse import Pulse

PATIENCE: Final = 15.0
"""Seconds in which the ingest process has to follow."""
_LOOK_EVERY: Final = 0.1


class Reloaded(msgspec.Struct, frozen=True):
    """What is another than before: tables by their names (`sources.app`)."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


async def reload(
    look: Callable[[], tuple[Config, Change]], ask: Callable[[], None], pulse: Callable[[], Pulse | None], clock: Clock
) -> Reloaded:
    """Have the configuration read again, and return once the ingest process follows it. `look` reads it, `ask` has all
    processes do so, `pulse` is the ingest process's.

    Raises `UsageError` with all that is wrong with the configuration: the old one goes on. Raises `StoreUnavailable`
    when the ingest process does not follow in time; its log says why.
    """
    before = pulse()
    if before is None:
        raise StoreUnavailable("the ingest process is not there, or starts just now: try again later")
    try:
        _, change = await asyncio.to_thread(look)
    except ConfigError as error:
        raise UsageError(f"the configuration was not reloaded; the old one goes on: {error}") from None
    if not any(change):
        ask()  # certificates may be others
        return Reloaded((), (), ())
    ask()
    for _ in range(round(PATIENCE / _LOOK_EVERY)):
        now = pulse()
        if now is not None and (now.pid != before.pid or now.reloads > before.reloads):
            return Reloaded(tuple(change.added), tuple(change.removed), tuple(change.changed))
        await clock.sleep(_LOOK_EVERY)
    raise StoreUnavailable("the ingest process has not followed the new configuration yet; its log says why")
