"""`postroad rejections`: what was answered 200 and could not become an event."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import typer

from postroad.cli.client import ask_admin
from postroad.cli.options import LARGEST, AsJson, ConfigFile, group, read_config, read_time_or_none
from postroad.cli.output import pretty, progress, say, say_json, table, when
from postroad.cli.statuses import NOT_SO
from postroad.cli.stores import open_stores
from postroad.clock import SystemClock
from postroad.config import Config, Server
from postroad.errors import UsageError
from postroad.operations.rejected import rejection_story, shown_body
from postroad.rejections import Rejection, RejectionsReader

_Region = Annotated[str | None, typer.Option(metavar="NAME", help="Only this region.")]
_Source = Annotated[str | None, typer.Option(metavar="ID", help='Only of this source; "" for unknown keys.')]
_Code = Annotated[str | None, typer.Option(metavar="CODE", help="Only with this main reason.")]
_Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only after: ISO 8601, or 1h for an hour ago.")]
_Limit = Annotated[int, typer.Option(min=1, metavar="N", help="At most so many of a region.")]

_Ids = Annotated[list[int] | None, typer.Argument(metavar="ID", max=LARGEST, help="Their ids in the list of --region.")]
_All = Annotated[bool, typer.Option("--all", help="All of them whose bodies were kept.")]

_CHUNK: Final = 100
_PAGE: Final = 500

app = group("List, show or retry what was answered 200 and could not become an event.")


@app.command("list")
def list_(
    *,
    region: _Region = None,
    source: _Source = None,
    code: _Code = None,
    since: _Since = None,
    limit: _Limit = 100,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List rejections, the newest first."""
    earliest = read_time_or_none(since, SystemClock())
    narrowed = {"source": source, "code": code, "since": earliest, "limit": limit}
    found = asyncio.run(_newest(read_config(config), region, narrowed))
    if as_json:
        for name, rejection in found:
            say_json(rejection_story(name, rejection))
        return
    table(
        ("region", "id", "at", "source", "path", "code", "bytes", "reason"),
        [
            (name, entry.id, when(entry.at), _source(entry), entry.path, entry.code, entry.size, _reasons(entry)[0])
            for name, entry in found
        ],
    )


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(metavar="ID", max=LARGEST, help="Its id in the list.")],
    *,
    region: _Region = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one rejection with all its reasons and its body. Ids are a region's own."""
    found = asyncio.run(_get(read_config(config), region, number))
    for name, rejection in found:
        if as_json:
            say_json(rejection_story(name, rejection))
        else:
            _tell(name, rejection)
    if not found:
        typer.echo(f"postroad: there is no rejection {number}: it never was, or was evicted", err=True)
        raise typer.Exit(NOT_SO)


@app.command("retry")
def retry(
    ids: _Ids = None,
    *,
    region: _Region = None,
    source: _Source = None,
    code: _Code = None,
    since: _Since = None,
    everything: _All = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take rejections whose bodies were kept as if they came now.

    For those that only the configuration kept from becoming events. Needs the running server. One that can't be
    an event yet stays, with its reasons. Ends with status 1 when any stays.
    """
    if bool(ids) + everything + (source is not None or code is not None or since is not None) != 1:
        raise UsageError("say which in one way: ids; or --source, --code, --since; or --all")
    found = read_config(config)
    if ids and region is None and len(found.regions) > 1:
        raise UsageError("ids are those of one region: say which with --region")
    earliest = read_time_or_none(since, SystemClock())
    chosen = asyncio.run(_kept(found, region, {"source": source, "code": code, "since": earliest}, ids))
    with progress("retry") as tell:
        retried, refused = _retry(found.server, chosen, tell)
    if as_json:
        say_json({"retried": retried, "refused": refused})
    else:
        say(f"retried {retried} rejections")
        for entry in refused:
            say(f"rejection {entry['id']} in {entry['region']} stays: {'; '.join(entry['reasons'])}")
    if refused:
        raise typer.Exit(NOT_SO)


async def _kept(
    config: Config, region: str | None, narrowed: dict[str, Any], ids: Sequence[int] | None
) -> Sequence[tuple[str, Sequence[int]]]:
    """Return by region the ids that are meant: `ids` as they are, else the narrowed ones, the oldest first."""
    async with open_stores(config, region, SystemClock()) as opened:
        return [(stores.name, ids or await _with_bodies(stores.rejections, narrowed)) for stores in opened]


async def _with_bodies(rejections: RejectionsReader, narrowed: dict[str, Any]) -> Sequence[int]:
    found: list[int] = []
    before: int | None = None
    while page := await rejections.newest(**narrowed, before=before, limit=_PAGE):
        found += [entry.id for entry in page if entry.body is not None]
        before = page[-1].id
    return found[::-1]


def _retry(
    server: Server, chosen: Sequence[tuple[str, Sequence[int]]], tell: Callable[[int, int], None]
) -> tuple[int, list[dict[str, Any]]]:
    asked = retried = 0
    refused: list[dict[str, Any]] = []
    total = sum(len(ids) for _, ids in chosen)
    for region, ids in chosen:
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            told = ask_admin(server, "POST", "/api/rejections/retry", {"region": region, "ids": chunk})
            retried += len(told["retried"])
            refused += [{"region": region, **entry} for entry in told["refused"]]
            asked += len(chunk)
            tell(asked, total)
    return retried, refused


async def _newest(config: Config, region: str | None, narrowed: dict[str, Any]) -> Sequence[tuple[str, Rejection]]:
    async with open_stores(config, region, SystemClock()) as opened:
        return [(stores.name, entry) for stores in opened for entry in await stores.rejections.newest(**narrowed)]


async def _get(config: Config, region: str | None, number: int) -> Sequence[tuple[str, Rejection]]:
    async with open_stores(config, region, SystemClock()) as opened:
        found = [(stores.name, await stores.rejections.get(number)) for stores in opened]
    return [(name, rejection) for name, rejection in found if rejection is not None]


def _tell(region: str, entry: Rejection) -> None:
    say(f"rejection {entry.id} in {region}: {entry.code}")
    say(f"  at      {when(entry.at)}")
    say(f"  source  {_source(entry)}")
    say(f"  path    {entry.path}" + ("" if entry.index is None else f", item {entry.index} of its batch"))
    say(f"  bytes   {entry.size}")
    for reason in _reasons(entry):
        say(f"  reason  {reason}")
    say("")
    if entry.body is None:
        say("  Its body was not kept.")
        return
    for line in pretty(shown_body(entry.body).encode()).splitlines():
        say(f"  {line}")


def _source(entry: Rejection) -> str:
    if entry.source:
        return entry.source
    return f"key {entry.key_fingerprint}" if entry.key_fingerprint else "no key"


def _reasons(entry: Rejection) -> list[str]:
    """Return what was wrong as sentences, the main reason first."""
    details = sorted(entry.details, key=lambda detail: detail[1] != entry.code)
    return [f"{path}: {message}" if path else message for path, _, message in details] or [entry.code]
