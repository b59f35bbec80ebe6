"""`postroad check`: whether the configuration can be used, and what it says."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from postroad.cli.doubts import doubts
from postroad.cli.options import AsJson, ConfigFile, read_config, verb
from postroad.cli.output import say, say_json, table
from postroad.cli.program import WRONG
from postroad.clock import SystemClock
from postroad.config import Config, config_file, masked
from postroad.errors import ConfigError, StoreError
from postroad.operations.destinations import DestinationEntry
from postroad.runtime.holding import held, in_folder
from postroad.runtime.surroundings import check_surroundings


def check(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check the configuration and show it with its secrets masked.

    Tells every problem with its line and what would be right; certificates and transforms are looked at once the
    rest is right, and so is the data folder when there is one: what is owed to destinations that the configuration
    doesn't have is said. What can be used and looks like a mistake is a warning. Nothing is started or changed.
    """
    try:
        found = read_config(config)
        check_surroundings(found)
    except ConfigError as error:
        if not as_json:
            raise
        say_json({"ok": False, "problems": error.problems})
        raise typer.Exit(WRONG) from error
    shown = masked(found)
    entries = asyncio.run(_in_folder(found))
    warnings, kept = doubts(found, [entry for entry in entries if not isinstance(entry, StoreError)]), held(entries)
    if as_json:
        say_json({"ok": True, "config": shown, "in_force": _in_force(found), "held": kept, "warnings": warnings})
        return
    for sentence in (*warnings, *kept):
        typer.echo(f"postroad: {sentence}", err=True)
    file = config_file(config, os.environ)
    say(f"ok: {file or 'no file, the defaults'}")
    _summary(found, shown)


async def _in_folder(config: Config) -> Sequence[DestinationEntry | StoreError]:
    return [entry async for entry in in_folder(config, SystemClock())]


def _summary(config: Config, shown: Mapping[str, Any]) -> None:
    server = config.server
    say(f"ingest at {server.bind}, admin at {server.admin_bind}, data in {server.data_dir}")
    say("")
    regions = [
        (name, ", ".join(region.hosts) or "any", len(config.sources_in(name)), len(config.destinations_in(name)))
        for name, region in config.regions.items()
    ]
    table(("region", "hosts", "sources", "destinations"), regions)
    if config.sources:
        say("")
        table(
            ("source", "type", "region", "keys", "public"),
            [
                (name, entry.type, entry.region, len(entry.key_hashes), "yes" if entry.is_public else "no")
                for name, entry in config.sources.items()
            ],
        )
    places = config.destinations.items()
    if places:
        say("")
        table(
            ("destination", "type", "region", "names", "events", "settings"),
            [_destination(name, shown["destinations"][name], list(entry.options)) for name, entry in places],
        )
    for name, told in _in_force(config).items():
        say(f"{name}: {told}")


def _in_force(config: Config) -> Mapping[str, str]:
    """Return what types of destinations say that holds beyond what is written, by id."""
    asked = {name: getattr(place.settings, "in_force", None) for name, place in config.destinations.items()}
    return {name: say_so() for name, say_so in asked.items() if say_so is not None}


def _destination(name: str, entry: Mapping[str, Any], own: Sequence[str]) -> tuple[str, ...]:
    events = ", ".join(entry["events"] or ["all"]) if entry["enabled"] else "none: not enabled"
    settings = ", ".join(f"{key}={entry[key]}" for key in own)
    return name, entry["type"], entry["region"], ", ".join(entry["names"]), events, settings


app = verb(check)
