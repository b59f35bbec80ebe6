"""`postroad reload`: other sources and destinations without a restart."""

import msgspec

from postroad.cli.client import ask_admin
from postroad.cli.options import AsJson, ConfigFile, read_config, verb
from postroad.cli.output import say, say_json
from postroad.operations.reload import Reloaded


def reload(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Have the running server read its configuration again: sources and destinations come, go and change, certificates
    and transforms are read again. SIGHUP does the same.

    No request is refused meanwhile. A mistake anywhere leaves everything as it was and says why. All else in the file,
    such as `bind`, `data_dir` and the regions, needs a restart, and is named when it has changed.
    """
    told = msgspec.convert(ask_admin(read_config(config).server, "POST", "/api/reload", {}), Reloaded)
    if as_json:
        say_json(msgspec.to_builtins(told))
        return
    for what in ("added", "removed", "changed"):
        for name in getattr(told, what):
            say(f"{what} {name}")
    if not any((told.added, told.removed, told.changed)):
        say("no source or destination has changed; certificates and transforms were read again")


app = verb(reload)
