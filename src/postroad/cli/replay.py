"""`postroad replay`: a stretch of time delivered once more to a destination."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec
import typer

from postroad.cli.client import Unreachable, ask_admin
from postroad.cli.options import AsJson, ConfigFile, flags, group, open_stores, read_config
from postroad.cli.output import progress, say, say_json, say_list, when
from postroad.clock import SystemClock
from postroad.config import Config, Server
from postroad.config.problems import did_you_mean
from postroad.errors import StoreError, UsageError
from postroad.operations.asking import LARGEST
from postroad.operations.replays import ENDED, ReplayBegun, ReplayLimits, ReplaysPage, ReplayStatus, replays
from postroad.runtime.holding import in_folder

_Place = Annotated[str | None, typer.Option(metavar="ID", help="Where to.")]
_Follow = Annotated[
    bool, typer.Option("--follow", help="Show how far it has come until it ends; Ctrl-C lets it go on.")
]
_Region = Annotated[str | None, typer.Option(metavar="NAME", help="The region; else the only one.")]

_COLUMNS: Final = (
    *("region", "replay", "destination", "only", "begun"),
    *("state", "passed", "of", "waiting", "settled"),
)
_LOOK_EVERY = 0.2

app = group()


@app.callback(invoke_without_command=True, no_args_is_help=True)
@flags
def replay(
    context: typer.Context,
    *,
    destination: _Place = None,
    asked: ReplayLimits,
    follow: _Follow = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Deliver the events of a stretch of time once more to one destination, also one that was added later.

    The replay has an account of its own in the books. It goes on after a restart, and never holds up what is new.
    Needs the running server.
    """
    if context.invoked_subcommand is not None:
        return
    server, region = _where(read_config(config), destination)
    wanted = {"region": region, "destination": destination, **msgspec.to_builtins(asked)}
    told = ask_admin(server, "POST", "/api/replays", wanted)
    begun = msgspec.convert(told, ReplayBegun)
    if as_json:
        say_json(begun)
    else:
        say(f"replay {begun.number} of at most {begun.total} events to {destination} has begun")
    if follow:
        sys.stdout.flush()
        with progress(f"replay {begun.number}") as tell:
            asyncio.run(_follow(server, begun, tell))
        if not as_json:
            say(f"replay {begun.number} is done")


@app.command("list")
def list_(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List replays and how far they have come."""
    say_list(asyncio.run(_list(read_config(config))), _COLUMNS, _row, as_json=as_json)


@app.command("stop")
def stop(
    number: Annotated[int, typer.Argument(metavar="NUMBER", max=LARGEST, help="Its number in the list.")],
    *,
    region: _Region = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """End a replay where it has come to. Needs the running server."""
    found = read_config(config)
    if region is None and len(found.regions) > 1:
        raise UsageError("numbers are those of one region: say which with --region")
    ask_admin(found.server, "POST", f"/api/replays/{region or next(iter(found.regions))}/{number}/stop")
    if as_json:
        say_json({"stopped": number})
    else:
        say(f"replay {number} has ended")


def _where(config: Config, destination: str | None) -> tuple[Server, str]:
    """Return the server and the region of a destination. Raises `UsageError` when it is not configured."""
    known = ", ".join(config.destinations) or "none"
    if destination is None:
        raise UsageError(f"say where to with --destination; configured: {known}")
    if destination in config.destinations:
        return config.server, config.destinations[destination].region
    if asyncio.run(_is_held(config, destination)):
        raise UsageError(f"--destination: {destination!r} is held: it is not in the configuration; put it back first")
    miss = did_you_mean(destination, config.destinations)
    raise UsageError(f"--destination: there is no {destination!r}; configured: {known}{miss}")


async def _is_held(config: Config, destination: str) -> bool:
    found = [entry async for entry in in_folder(config, SystemClock()) if not isinstance(entry, StoreError)]
    return any(entry.id == destination and entry.held for entry in found)


def _row(entry: ReplayStatus) -> Sequence[object]:
    e = entry
    begun = (e.region, e.number, e.destination, _limits(e), when(e.opened_at))
    return *begun, e.state, e.passed, e.total, e.waiting, _settled(e)


def _limits(status: ReplayStatus) -> str:
    names = [", ".join(status.events)] if status.events is not None else []
    rate = [f"{status.rate:g} a second"] if status.rate is not None else []
    times = [f"since {when(status.since)}"] if status.since is not None else []
    times += [f"before {when(status.until)}"] if status.until is not None else []
    return "; ".join([*names, *times, *rate]) or "-"


def _settled(status: ReplayStatus) -> str:
    return ", ".join(f"{count} {name}" for name, count in status.outcomes.items())


async def _list(config: Config) -> Sequence[ReplayStatus]:
    """Return all replays: the server says what they are doing, and where there is none the files say the rest."""
    try:
        return (await asyncio.to_thread(_ask, config.server)).replays
    except Unreachable:
        async with open_stores(config, None, SystemClock()) as regions:
            return [one for region in regions.values() for one in await replays(region)]


def _ask(server: Server) -> ReplaysPage:
    return msgspec.convert(ask_admin(server, "GET", "/api/replays"), ReplaysPage)


async def _follow(server: Server, begun: ReplayBegun, tell: Callable[[int, int], None]) -> None:
    clock = SystemClock()
    while True:
        told = (await asyncio.to_thread(_ask, server)).replays
        (now,) = (one for one in told if (one.region, one.number) == (begun.region, begun.number))
        tell(now.passed, now.total)
        if now.state == ENDED:
            return
        await clock.sleep(_LOOK_EVERY)
