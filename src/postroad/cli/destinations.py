"""`postroad destinations`: who is owed events, and giving up what a destination is owed that is gone for good."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
import typer

from postroad.cli.client import Unreachable, ask_admin
from postroad.cli.options import AsJson, ConfigFile, Yes, group, read_config
from postroad.cli.output import confirm, say, say_json, say_list, size
from postroad.clock import SystemClock
from postroad.config import Config, Server
from postroad.config.problems import did_you_mean
from postroad.errors import StoreError, UsageError
from postroad.operations.destinations import DestinationEntry, DestinationsPage
from postroad.runtime.holding import in_folder

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its id in the list.")]
InRegion = Annotated[str | None, typer.Option(metavar="NAME", help="The region, where several have one of this id.")]

_COLUMNS: Final = (
    *("region", "destination", "state", "waiting", "retrying"),
    *("dead", "replays", "log", "on_backlog_full"),
)

app = group("List destinations, or abandon one that is gone from the configuration.")


@app.command("list")
def list_(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List who is owed events: what is configured, and what is held, on purpose or because it is not.

    A destination that is gone from the configuration is held: all that it is owed is kept, and what comes meanwhile
    too, until it is back under the same id, taken over by one that says `was`, or abandoned. Works without a server.
    """
    say_list(asyncio.run(_list(read_config(config))), _COLUMNS, _row, as_json=as_json)


@app.command("abandon")
def abandon(
    name: Name, *, region: InRegion = None, yes: Yes = False, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Give up, after asking, all that a destination is owed that is gone from the configuration.

    It is owed nothing more from then on; its events count as abandoned, its dead letters stay. The books are written in
    the background. Needs the running server, which refuses this for a destination that it has.
    """
    found = read_config(config)
    entry = named(name, region, found.server)
    if entry.gone and not yes:
        confirm("abandoning", f"Give up {owed(entry)} of {name} in region {entry.region} for good?")
    ask_for(entry, found.server, "abandon")
    if as_json:
        say_json({"region": entry.region, "abandoned": name, "waiting": entry.waiting, "retrying": entry.retrying})
    else:
        say(f"abandoned {name} in region {entry.region}: {owed(entry)}")


def named(name: str, region: str | None, server: Server) -> DestinationEntry:
    """Return the destination of a running server that is meant. Raises `UsageError` when there is none, or more than
    one, and what `ask_admin` raises.
    """
    known = [entry for entry in _ask(server) if not entry.state.startswith("abandoned")]
    meant = [entry for entry in known if entry.id == name and region in {None, entry.region}]
    if len(meant) > 1:
        raise UsageError(f"{name!r} is in {', '.join(entry.region for entry in meant)}: say which with --region")
    if not meant:
        where = "" if region is None else f" in region {region!r}"
        miss = did_you_mean(name, [entry.id for entry in known])
        raise UsageError(f"there is no destination {name!r}{where} that is owed anything{miss}")
    return meant[0]


def ask_for(entry: DestinationEntry, server: Server, change: str, said: Mapping[str, str] | None = None) -> Any:
    """Ask a running server to change something about a destination; return what it tells. Raises what `ask_admin`
    raises.
    """
    path = f"/api/destinations/{entry.region}/{quote(entry.id, safe='')}/{change}"
    return ask_admin(server, "POST", path, said)


def owed(entry: DestinationEntry) -> str:
    """Return in words what a destination still waits for."""
    replays = f", {entry.replays} replays" if entry.replays else ""
    return f"{entry.waiting} waiting events, {entry.retrying} retries{replays}"


def _row(entry: DestinationEntry) -> Sequence[object]:
    e = entry
    counts = (e.waiting, e.retrying, e.dead, e.replays)
    return e.region, e.id, _state(e), *counts, size(e.log_bytes), e.on_backlog_full


def _state(entry: DestinationEntry) -> str:
    return entry.state if entry.heir is None else f"{entry.state}; {entry.heir} takes it over at the next start"


async def _list(config: Config) -> Sequence[DestinationEntry]:
    """Return all destinations: the server says which it serves, and where there is none the file says it."""
    try:
        return await asyncio.to_thread(_ask, config.server)
    except Unreachable:
        return [_readable(entry) async for entry in in_folder(config, SystemClock())]


def _ask(server: Server) -> Sequence[DestinationEntry]:
    return msgspec.convert(ask_admin(server, "GET", "/api/destinations"), DestinationsPage).destinations


def _readable(entry: DestinationEntry | StoreError) -> DestinationEntry:
    if isinstance(entry, StoreError):
        raise entry
    return entry
