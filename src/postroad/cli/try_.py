"""`postroad try`: trying a destination now."""

from postroad.cli.destinations import InRegion, Name, ask_for, named
from postroad.cli.options import AsJson, ConfigFile, read_config, verb
from postroad.cli.output import say, say_json


def try_(name: Name, *, region: InRegion = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Try a destination now: the next probe does not wait, and every retry is due.

    One that is on hold, or fails, gets a single event; if that is delivered and nobody holds it, the rest follows.
    Needs the running server; `postroad status` says what came of it.
    """
    server = read_config(config).server
    entry = named(name, region, server)
    told = ask_for(entry, server, "try")
    if as_json:
        say_json({"region": entry.region, "tried": name, **told})
    else:
        say(f"{name} in region {entry.region} is tried now; {told['due']} retries are due. `postroad status` says more")


app = verb(try_)
