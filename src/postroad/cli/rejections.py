"""`postroad rejections`: what was answered 200 and could not become an event."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from postroad.cli.client import ask_each
from postroad.cli.options import AsJson, ConfigFile, Region, flags, group, open_stores, read_config
from postroad.cli.output import progress, say, say_body, say_json, say_list, when
from postroad.cli.program import NOT_SO
from postroad.clock import SystemClock
from postroad.config import Config
from postroad.errors import UsageError
from postroad.operations.asking import LARGEST, NotThere
from postroad.operations.rejections import (
    RejectionEntry,
    RejectionPlace,
    RejectionsFilter,
    RejectionStory,
    rejections,
    show_rejection,
)

_Limit = Annotated[int, typer.Option(min=1, metavar="N", help="At most so many of a region.")]
_Ids = Annotated[list[int] | None, typer.Argument(metavar="ID", max=LARGEST, help="Their ids in the list of --region.")]
_All = Annotated[bool, typer.Option("--all", help="All of them whose bodies were kept.")]

_CHUNK: Final = 100
_COLUMNS: Final = ("region", "id", "at", "source", "path", "code", "bytes", "reason")

app = group("List, show or retry what was answered 200 and could not become an event.")


@app.command("list")
@flags
def list_(
    *,
    region: Region = None,
    asked: RejectionsFilter,
    limit: _Limit = 100,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List rejections, the newest first."""
    found = asyncio.run(_find(read_config(config), region, asked, limit))
    say_list([entry for _, entries in found for entry in entries], _COLUMNS, _row, as_json=as_json)


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(metavar="ID", max=LARGEST, help="Its id in the list.")],
    *,
    region: Region = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one rejection with all its reasons and its body. Ids are a region's own."""
    found = asyncio.run(_show(read_config(config), region, number))
    for story in found:
        if as_json:
            say_json(story)
        else:
            _tell(story)
    if not found:
        typer.echo(f"postroad: there is no rejection {number}: it never was, or was evicted", err=True)
        raise typer.Exit(NOT_SO)


@app.command("retry")
@flags
def retry(
    ids: _Ids = None,
    *,
    region: Region = None,
    asked: RejectionsFilter,
    everything: _All = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take rejections whose bodies were kept as if they came now.

    For those that only the configuration kept from becoming events. Needs the running server. One that can't be
    an event yet stays, with its reasons; so does one whose messageId is in the log already. Ends with status 1 when any
    stays.
    """
    if bool(ids) + everything + (asked != RejectionsFilter()) != 1:
        raise UsageError("say which in one way: ids; or --source, --code, --since; or --all")
    used = read_config(config)
    if ids and region is None and len(used.regions) > 1:
        raise UsageError("ids are those of one region: say which with --region")
    chosen = [(region or next(iter(used.regions)), ids)] if ids else asyncio.run(_kept(used, region, asked))
    retried, refused = 0, []
    groups = [({"region": name}, "ids", numbers) for name, numbers in chosen]
    with progress("retry") as tell:
        for said, told in ask_each(used.server, "/api/rejections/retry", groups, tell, _CHUNK):
            retried += len(told["retried"])
            refused += [{**said, **entry} for entry in told["refused"]]
    if as_json:
        say_json({"retried": retried, "refused": refused})
    else:
        say(f"retried {retried} rejections")
        for entry in refused:
            say(f"rejection {entry['id']} in {entry['region']} stays: {'; '.join(entry['reasons'])}")
    if refused:
        raise typer.Exit(NOT_SO)


async def _find(
    config: Config, region: str | None, asked: RejectionsFilter, most: int | None = None
) -> Sequence[tuple[str, Sequence[RejectionEntry]]]:
    """Return by region those that are meant, the newest first."""
    async with open_stores(config, region, SystemClock()) as regions:
        return [(name, [entry async for entry in rejections(one, asked, most=most)]) for name, one in regions.items()]


async def _kept(config: Config, region: str | None, asked: RejectionsFilter) -> Sequence[tuple[str, Sequence[int]]]:
    """Return by region the ids of those that are meant and can be retried, the oldest first."""
    found = await _find(config, region, asked)
    return [(name, [entry.id for entry in entries if entry.kept][::-1]) for name, entries in found]


async def _show(config: Config, region: str | None, number: int) -> Sequence[RejectionStory]:
    found = []
    async with open_stores(config, region, SystemClock()) as regions:
        for name in regions:
            with contextlib.suppress(NotThere):
                found.append(await show_rejection(regions, RejectionPlace(region=name, id=number)))
    return found


def _tell(story: RejectionStory) -> None:
    say(f"rejection {story.id} in {story.region}: {story.code}")
    say(f"  at      {when(story.at)}")
    say(f"  source  {_source(story)}")
    say(f"  path    {story.path}" + ("" if story.index is None else f", item {story.index} of its batch"))
    say(f"  bytes   {story.size}")
    for reason in _reasons(story):
        say(f"  reason  {reason}")
    if story.body is None:
        say("")
        say("  Its body was not kept.")
    else:
        say_body(story.body.encode())


def _row(entry: RejectionEntry) -> Sequence[object]:
    e = entry
    return e.region, e.id, when(e.at), _source(e), e.path, e.code, e.size, _reasons(e)[0]


def _source(entry: RejectionEntry) -> str:
    if entry.source:
        return entry.source
    return f"key {entry.key_fingerprint}" if entry.key_fingerprint else "no key"


def _reasons(entry: RejectionEntry) -> list[str]:
    """Return what was wrong as sentences, the main reason first."""
    details = sorted(entry.details, key=lambda one: one.code != entry.code)
    return [f"{one.path}: {one.message}" if one.path else one.message for one in details] or [entry.code]
