"""`postroad hold`: sending nothing more to a destination until it is released."""

from typing import Annotated

import typer

from postroad.cli.destinations import InRegion, Name, ask_for, named, owed
from postroad.cli.options import AsJson, ConfigFile, read_config, verb
from postroad.cli.output import say, say_json

_By = Annotated[str, typer.Option(metavar="WHO", help="Who wants it so, for whoever looks at it later.")]
_Why = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the same.")]


def hold(
    name: Name,
    *,
    by: _By = "",
    why: _Why = "",
    region: InRegion = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send nothing more to a destination until `postroad release`, over restarts too; its replays wait as well.

    What it is owed is kept and nothing grows older, but `on_backlog_full` goes on deciding what its backlog may hold
    back: with `expire`, what is older than the retention expires. Sends that are under way end. Needs the running
    server. Holding it again changes who and why.
    """
    server = read_config(config).server
    entry = named(name, region, server)
    ask_for(entry, server, "hold", {"by": by, "why": why})
    if as_json:
        say_json({"region": entry.region, "held": name, "by": by, "why": why})
    else:
        say(f"{name} in region {entry.region} is held: {owed(entry)} wait, and what comes")


app = verb(hold)
