"""`postroad tail`: the events of a region as they are accepted."""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection
from typing import Annotated, Final, NamedTuple

import msgspec
import typer
from msgspec import Raw

from postroad.cli.options import AsJson, ConfigFile, check_call, open_stores, read_config, verb
from postroad.cli.output import say, say_bytes
from postroad.clock import SystemClock, iso
from postroad.config import Config
from postroad.contract.stored import StoredEvent, read_key, unpack
from postroad.delivery.items import make_event
from postroad.destinations.file import line
from postroad.log.base import Record
from postroad.log.received import is_in, stretch_of
from postroad.operations.asking import read_time
from postroad.regions import Region

_READ_BYTES = 1 << 20
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_NOTHING: Final = Raw(b"{}")
_WHO: Final = ("userId", "anonymousId", "groupId")

_Region = Annotated[str | None, typer.Option(metavar="NAME", help="The region; else the first one.")]
_Since = Annotated[str | None, typer.Option(metavar="TIME", help="Begin there: ISO 8601, or 1h for an hour ago.")]
_Start = Annotated[bool, typer.Option("--from-start", help="Begin with the oldest event that is kept.")]
_Events = Annotated[list[str] | None, typer.Option("--event", metavar="NAME", help="Only these; may be repeated.")]
_Sources = Annotated[list[str] | None, typer.Option("--source", metavar="ID", help="Only of these sources.")]
_Types = Annotated[list[str] | None, typer.Option("--type", metavar="CALL", help="Only these calls.")]
_Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="End after this many events.")]


class _Wanted(NamedTuple):
    """What is printed; an empty collection wants all. `event` names also match an alias of that event."""

    events: Collection[str]
    sources: Collection[str]
    types: Collection[str]

    def has(self, source: str, event: StoredEvent) -> bool:
        names = {event.name, event.kind.event} if event.kind else {event.name}
        return (
            (not self.events or not names.isdisjoint(self.events))
            and (not self.sources or source in self.sources)
            and (not self.types or event.type.wire in self.types)
        )


def tail(
    *,
    region: _Region = None,
    since: _Since = None,
    from_start: _Start = False,
    event: _Events = None,
    source: _Sources = None,
    type_name: _Types = None,
    limit: _Limit = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Follow the events that are accepted, one a line, until Ctrl-C.

    With --json a line is the event and our own facts about it: {"event": {...}, "postroad": {...}}.
    """
    for call in type_name or ():
        check_call(call)
    wanted = _Wanted(event or (), source or (), type_name or ())
    asyncio.run(_tail(read_config(config), region, wanted, "" if from_start else since, limit, as_json=as_json))


async def _tail(
    config: Config, region: str | None, wanted: _Wanted, since: str | None, limit: int | None, *, as_json: bool
) -> None:
    """Print until `limit`. `since` is None for new events only, empty for all that are kept."""
    clock = SystemClock()
    async with open_stores(config, region or next(iter(config.regions)), clock) as regions:
        [stores] = regions.values()
        at = read_time(since, clock) if since else None
        start = await stores.log.end() if since is None else (await stretch_of(stores.log, at, None))[0]
        count = 0
        async for record in _records(stores, start):
            if record.is_erased:
                continue
            stored = unpack(record.value)
            if not is_in(stored.received_at, at, None) or not wanted.has(read_key(record.key)[0], stored):
                continue
            if as_json:
                say_bytes(line(make_event(record, stored, stores.name)))
            else:
                say(summary(record, stored))
                sys.stdout.flush()
            count += 1
            if count == limit:
                return


async def _records(stores: Region, start: int) -> AsyncIterator[Record]:
    while True:
        blocks = await stores.log.read(start, _READ_BYTES)
        for block in blocks:
            if block.lost:
                sys.stdout.flush()
                typer.echo(f"postroad: {block.lost} events before offset {block.end} can't be read any more", err=True)
            for record in block.records:
                yield record
            start = block.end
        if not blocks:
            await stores.log.wait(start)


def summary(record: Record, event: StoredEvent) -> str:
    """Return an event in one line. What else is in its body, a number beyond every range too, is not looked at."""
    source, message_id = read_key(record.key)
    body = _OBJECT.decode(event.body)
    who = next((f"{name}={text}" for name in _WHO if (text := _text(body.get(name)))), "-")
    parts = [iso(event.received_at), str(record.offset), source, event.type.wire, event.name or "-", who]
    properties = body.get("properties", _NOTHING)
    email = _text(_OBJECT.decode(properties).get("email_id")) if _begins(properties, "{") else ""
    marks = [f"email_id={email}"] if email else []
    if event.problems:
        marks.append(f"violations={len(event.violations)}")
    return "  ".join([*parts, *marks, f"messageId={message_id}"])


def _text(value: Raw | None) -> str:
    return _TEXT.decode(value) if value is not None and _begins(value, '"') else ""


def _begins(value: Raw, with_what: str) -> bool:
    return chr(memoryview(value)[0]) == with_what


app = verb(tail)
