"""`postroad replay`: a stretch of time delivered once more to a destination."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from postroad.cli.client import Unreachable, ask_admin
from postroad.cli.options import LARGEST, AsJson, ConfigFile, group, read_config, read_time_or_none
from postroad.cli.output import progress, say, say_json, table, when
from postroad.cli.stores import open_stores
from postroad.clock import SystemClock
from postroad.config import Config, Server
from postroad.config.problems import did_you_mean
from postroad.errors import StoreError, UsageError
from postroad.operations.replays import ENDED, ReplayStatus, replays
from postroad.runtime.holding import in_folder

_Place = Annotated[str | None, typer.Option(metavar="ID", help="Where to.")]
_From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="TIME", help="Received since: ISO 8601, or 1h for an hour ago; else from the first."
    ),
]
_To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Received before; else up to now.")]
_Events = Annotated[list[str] | None, typer.Option("--event", metavar="NAME", help="Only these; may be repeated.")]
_Rate = Annotated[float | None, typer.Option(metavar="N", help="At most so many events a second.")]
_Follow = Annotated[
    bool, typer.Option("--follow", help="Show how far it has come until it ends; Ctrl-C lets it go on.")
]
_Region = Annotated[str | None, typer.Option(metavar="NAME", help="The region; else the only one.")]

_LOOK_EVERY = 0.2

app = group()


@app.callback(invoke_without_command=True, no_args_is_help=True)
def replay(
    context: typer.Context,
    *,
    destination: _Place = None,
    since: _From = None,
    until: _To = None,
    event: _Events = None,
    rate: _Rate = None,
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
    found = read_config(config)
    question = _question(found, destination, since, until, rate) | {"events": event or None}
    told = ask_admin(found.server, "POST", "/api/replays", question)
    if as_json:
        say_json(told)
    else:
        say(f"replay {told['number']} of at most {told['total']} events to {destination} has begun")
    if follow:
        sys.stdout.flush()
        with progress(f"replay {told['number']}") as tell:
            asyncio.run(_follow(found.server, told, tell))
        if not as_json:
            say(f"replay {told['number']} is done")


@app.command("list")
def list_(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List replays and how far they have come."""
    found = asyncio.run(_list(read_config(config)))
    if as_json:
        for status in found:
            say_json(status)
        return
    table(
        ("region", "replay", "destination", "only", "begun", "state", "passed", "of", "waiting", "settled"),
        [
            (
                *(r.region, r.number, r.destination, _limits(r), when(r.opened_at), r.state),
                *(r.passed, r.total, r.waiting, _settled(r)),
            )
            for r in found
        ],
    )


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


def _question(
    config: Config, destination: str | None, since: str | None, until: str | None, rate: float | None
) -> dict[str, Any]:
    known = ", ".join(config.destinations) or "none"
    if destination is None:
        raise UsageError(f"say where to with --destination; configured: {known}")
    if destination not in config.destinations:
        if asyncio.run(_is_held(config, destination)):
            raise UsageError(
                f"--destination: {destination!r} is held: it is not in the configuration; put it back first"
            )
        miss = did_you_mean(destination, config.destinations)
        raise UsageError(f"--destination: there is no {destination!r}; configured: {known}{miss}")
    if rate is not None and rate <= 0:
        raise UsageError("--rate must be more than nothing")
    return {
        "region": config.destinations[destination].region,
        "destination": destination,
        "from": read_time_or_none(since, SystemClock()),
        "to": read_time_or_none(until, SystemClock()),
        "rate": rate,
    }


async def _is_held(config: Config, destination: str) -> bool:
    found = [entry async for entry in in_folder(config, SystemClock()) if not isinstance(entry, StoreError)]
    return any(entry.id == destination and entry.held for entry in found)


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
        told = await asyncio.to_thread(ask_admin, config.server, "GET", "/api/replays")
    except Unreachable:
        async with open_stores(config, None, SystemClock()) as opened:
            found = [(s, config.destinations_in(s.name)) for s in opened]
            return [r for s, configured in found for r in await replays(s.name, s.log, s.ledger, configured)]
    return msgspec.convert(told["replays"], list[ReplayStatus])


async def _follow(server: Server, begun: dict[str, Any], tell: Any) -> None:
    clock = SystemClock()
    while True:
        told = await asyncio.to_thread(ask_admin, server, "GET", "/api/replays")
        (now,) = (
            one for one in told["replays"] if (one["region"], one["number"]) == (begun["region"], begun["number"])
        )
        tell(now["passed"], now["total"])
        if now["state"] == ENDED:
            return
        await clock.sleep(_LOOK_EVERY)
