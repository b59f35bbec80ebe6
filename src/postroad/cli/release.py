"""`postroad release`: ending a hold."""

from postroad.cli.destinations import InRegion, Name, ask_for, named, owed
from postroad.cli.options import AsJson, ConfigFile, read_config, verb
from postroad.cli.output import say, say_json


def release(name: Name, *, region: InRegion = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """End the hold of a destination: what waited is sent, by the configuration of this moment.

    Needs the running server.
    """
    server = read_config(config).server
    entry = named(name, region, server)
    ask_for(entry, server, "release")
    if as_json:
        say_json({"region": entry.region, "released": name})
    else:
        say(f"{name} in region {entry.region} is released: {owed(entry)} are sent now")


app = verb(release)
