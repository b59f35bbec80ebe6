"""`postroad export`: the events of a region as NDJSON, to be kept elsewhere or imported."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple

import typer

from postroad.cli.options import ConfigFile, open_stores, read_config, verb
from postroad.cli.output import progress
from postroad.cli.program import INTERRUPTED
from postroad.clock import SystemClock
from postroad.config import Config
from postroad.contract.stored import unpack
from postroad.delivery.items import make_event
from postroad.destinations.file import line
from postroad.errors import StoreUnavailable, UsageError
from postroad.log.base import Block
from postroad.log.received import is_in, stretch_of
from postroad.operations.asking import read_time
from postroad.regions import Region

_READ_BYTES = 1 << 20
_Region = Annotated[str | None, typer.Option(metavar="NAME", help="The region; else the first one.")]
_Events = Annotated[list[str] | None, typer.Option("--event", metavar="NAME", help="Only these; may be repeated.")]
_From = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Received since: ISO 8601, or 1h for an hour ago.")
]
_To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Received before.")]
_After = Annotated[
    int | None, typer.Option(min=-1, metavar="OFFSET", help="Go on behind this offset; a file is added to.")
]
_Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Where to; else standard output.")]


class _Wanted(NamedTuple):
    """What is exported. Times are microseconds; an empty set of events wants all."""

    region: str
    events: frozenset[str]
    since: int | None
    until: int | None
    after: int | None


class _Place:
    """How far the export has come."""

    def __init__(self, after: int | None) -> None:
        self.offset = after
        self.count = 0
        self.lost = 0


def export(
    *,
    region: _Region = None,
    event: _Events = None,
    since: _From = None,
    until: _To = None,
    after: _After = None,
    output: _Output = None,
    config: ConfigFile = None,
) -> None:
    """Write the events that are kept, one a line, with our own facts: {"event": {...}, "postroad": {...}}.

    `postroad import` reads such lines. The export ends with what was there when it began. When it is interrupted
    it says behind which offset to go on.
    """
    found = read_config(config)
    clock = SystemClock()
    times = [None if text is None else read_time(text, clock) for text in (since, until)]
    wanted = _Wanted(region or next(iter(found.regions)), frozenset(event or ()), times[0], times[1], after)
    place = _Place(after)
    goal = _open(output, add=after is not None)
    try:
        with progress("export") as tell:
            asyncio.run(_export(found, wanted, goal, place, tell))
    except KeyboardInterrupt:
        _tell_stopped(place)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        if output is None:
            raise  # a closed pipe: whoever read has seen enough
        _tell_stopped(place)
        raise StoreUnavailable(f"{output}: {error.strerror}") from error
    finally:
        if output is not None:
            goal.close()
    typer.echo(f"postroad: exported {place.count} events", err=True)
    _tell_lost(place)


def _open(output: Path | None, *, add: bool) -> BinaryIO:
    if output is None:
        sys.stdout.flush()
        return sys.stdout.buffer
    try:
        return open(output, "ab" if add else "xb", buffering=0, opener=_private)
    except FileExistsError:
        raise UsageError(f"{output} is there already; remove it, or go on with --after") from None
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from error


def _private(path: str, flags: int) -> int:
    """Open a file of events; only its owner may read it if it is made now."""
    return os.open(path, flags, 0o600)


async def _export(
    config: Config, wanted: _Wanted, goal: BinaryIO, place: _Place, tell: Callable[[int, int], None]
) -> None:
    async with open_stores(config, wanted.region, SystemClock()) as regions:
        [stores] = regions.values()
        start, end = await stretch_of(stores.log, wanted.since, wanted.until)
        if wanted.after is not None:
            start = wanted.after + 1
        total = await stores.log.count_from(start) - await stores.log.count_from(end)
        seen = 0
        async for block in _blocks(stores, start, end):
            _write(block, wanted, goal, place)
            seen += len(block.records) + block.lost
            tell(min(seen, total), total)


async def _blocks(stores: Region, start: int, end: int) -> AsyncIterator[Block]:
    while start < end and (blocks := await stores.log.read(start, _READ_BYTES)):
        for block in blocks:
            if block.start >= end:
                return
            yield block
        start = blocks[-1].end


def _write(block: Block, wanted: _Wanted, goal: BinaryIO, place: _Place) -> None:
    """Write what is wanted of a block in one go, so that an interruption leaves whole lines and a true place."""
    lines = []
    for record in block.records:
        if (wanted.after is not None and record.offset <= wanted.after) or record.is_erased:
            continue  # before what is wanted, or erased
        stored = unpack(record.value)
        if wanted.events and wanted.events.isdisjoint({stored.name, stored.kind.event if stored.kind else ""}):
            continue
        if is_in(stored.received_at, wanted.since, wanted.until):
            lines.append(line(make_event(record, stored, wanted.region)))
    if lines:
        _put(goal, b"".join(lines))
    place.count += len(lines)
    place.offset = block.records[-1].offset if block.records else block.end - 1
    place.lost += block.lost


def _put(goal: BinaryIO, lines: bytes) -> None:
    """Write all of it, or leave a file as it was: a disk that gets full takes a part, and refuses only the rest."""
    start = goal.tell() if goal.seekable() else None
    try:
        written = goal.write(lines)
        while written < len(lines):
            written += goal.write(lines[written:])
        goal.flush()
    except OSError:
        if start is not None:
            goal.truncate(start)
        raise


def _tell_stopped(place: _Place) -> None:
    go_on = "" if place.offset is None else f"; go on with --after {place.offset}"
    typer.echo(f"postroad: stopped after {place.count} events{go_on}", err=True)
    _tell_lost(place)


def _tell_lost(place: _Place) -> None:
    if place.lost:
        typer.echo(f"postroad: {place.lost} events there are damaged or gone, and can't be exported", err=True)


app = verb(export)
