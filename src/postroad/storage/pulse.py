"""How a process tells the others how it is: a small file, rewritten every second, stale when the process is gone.

What only a process itself knows (its queue, its dedup window, what its loops are doing, its counters) goes
here, so that the admin address and the command line can show it without asking over the network.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from postroad.clock import MICROSECONDS, Clock

STALE_AFTER: Final = 10.0
"""Seconds after which a pulse says nothing any more."""

_EVERY: Final = 1.0


class WindowPulse(msgspec.Struct, frozen=True):
    """One dedup window of a region: how many ids, the oldest from when (microseconds); `crowded` as the log has it."""

    ids: int
    since: int | None
    crowded: int = 0


class RegionPulse(msgspec.Struct, frozen=True):
    """How ingest is in one region; `windows` are those of the private and of the public sources, `queued` has the bytes
    that wait to be written, `over_rate` by source how many requests were answered 429 since the process started.
    """

    healthy: bool
    queued: int
    windows: list[WindowPulse]
    over_rate: dict[str, int] = {}


class Pulse(msgspec.Struct, frozen=True):
    """One process at one moment, `at` (microseconds). `metrics` is Prometheus text; `states` says of each
    destination, by region, what its loop is doing, `troubles` by region why a store can't be used, `reloads` how often
    it has read its configuration again.
    """

    at: int
    pid: int
    metrics: str
    regions: dict[str, RegionPulse] = {}
    states: dict[str, dict[str, str]] = {}
    troubles: dict[str, str] = {}
    reloads: int = 0


async def beat(path: Path, clock: Clock, take: Callable[[], Pulse]) -> None:
    """Write a pulse every second, for ever. A disk that is full or read-only only makes it stale."""
    while True:
        with contextlib.suppress(OSError):
            write_pulse(path, take())
        await clock.sleep(_EVERY)


def write_pulse(path: Path, pulse: Pulse) -> None:
    """Write one pulse. Raises `OSError`."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(pulse))
    draft.replace(path)


def read_pulse(path: Path, clock: Clock) -> Pulse | None:
    """Return the last pulse of a process, or None when it has none that is fresh."""
    try:
        pulse = msgspec.json.decode(path.read_bytes(), type=Pulse)
    except (OSError, msgspec.DecodeError):
        return None
    return pulse if clock.now() - pulse.at < STALE_AFTER * MICROSECONDS else None
