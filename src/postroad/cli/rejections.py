"""`postroad rejections`: what was answered 200 and could not become an event."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from postroad.cli.options import AsJson, ConfigFile, group, read_config, read_time
from postroad.cli.output import pretty, say, say_json, table, when
from postroad.cli.statuses import NOT_SO
from postroad.cli.stores import open_stores
from postroad.clock import SystemClock
from postroad.config import Config
from postroad.rejections import Rejection

_Region = Annotated[str | None, typer.Option(metavar="NAME", help="Only this region.")]
_Source = Annotated[str | None, typer.Option(metavar="ID", help='Only of this source; "" for unknown keys.')]
_Code = Annotated[str | None, typer.Option(metavar="CODE", help="Only with this main reason.")]
_Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only after: ISO 8601, or 1h for an hour ago.")]
_Limit = Annotated[int, typer.Option(min=1, metavar="N", help="At most so many of a region.")]

app = group("List or show what was answered 200 and could not become an event.")


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
    earliest = None if since is None else read_time(since, SystemClock())
    found = asyncio.run(
        _newest(read_config(config), region, {"source": source, "code": code, "since": earliest, "limit": limit})
    )
    if as_json:
        for name, rejection in found:
            say_json(_plain(name, rejection))
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
    number: Annotated[int, typer.Argument(metavar="ID", help="Its id in the list.")],
    *,
    region: _Region = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one rejection with all its reasons and its body. Ids are a region's own."""
    found = asyncio.run(_get(read_config(config), region, number))
    for name, rejection in found:
        if as_json:
            say_json(_plain(name, rejection))
        else:
            _tell(name, rejection)
    if not found:
        typer.echo(f"postroad: there is no rejection {number}: it never was, or was evicted", err=True)
        raise typer.Exit(NOT_SO)


async def _newest(config: Config, region: str | None, narrowed: dict[str, Any]) -> Sequence[tuple[str, Rejection]]:
    async with open_stores(config, region, SystemClock()) as opened:
        return [(stores.region, entry) for stores in opened for entry in await stores.rejections.newest(**narrowed)]


async def _get(config: Config, region: str | None, number: int) -> Sequence[tuple[str, Rejection]]:
    async with open_stores(config, region, SystemClock()) as opened:
        found = [(stores.region, await stores.rejections.get(number)) for stores in opened]
    return [(name, rejection) for name, rejection in found if rejection is not None]


def _plain(region: str, entry: Rejection) -> dict[str, Any]:
    return {
        "region": region,
        "id": entry.id,
        "at": entry.at,
        "source": entry.source,
        "key_fingerprint": entry.key_fingerprint,
        "path": entry.path,
        "index": entry.index,
        "code": entry.code,
        "details": [{"path": path, "code": code, "message": message} for path, code, message in entry.details],
        "size": entry.size,
        "body": None if entry.body is None else entry.body.decode("utf-8", "backslashreplace"),
    }


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
    for line in pretty(entry.body).splitlines():
        say(f"  {line}")


def _source(entry: Rejection) -> str:
    if entry.source:
        return entry.source
    return f"unknown key {entry.key_fingerprint}" if entry.key_fingerprint else "no key"


def _reasons(entry: Rejection) -> list[str]:
    return [f"{path}: {message}" if path else message for path, _, message in entry.details] or [entry.code]
