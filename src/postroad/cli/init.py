"""`postroad init`: a first postroad.toml, from answers on a terminal or from flags."""

import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from postroad import registry
from postroad.cli.options import AsJson, Yes, verb
from postroad.cli.output import say, say_json
from postroad.config import key_hash, new_key
from postroad.config.declared import settings_of
from postroad.config.defaults import DESTINATION, SOURCE
from postroad.config.first_file import first_file
from postroad.config.loading import FILE_HERE, FIRST_REGION, load_document
from postroad.config.model import Server
from postroad.config.problems import KeyPath, did_you_mean
from postroad.errors import ConfigError, UsageError
from postroad.storage.files import write_private

_DEFAULTS: Final = Server()

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")]
_DataDir = Annotated[str | None, typer.Option(metavar="DIR", help="Folder of everything Postroad keeps.")]
_Bind = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where events are sent to.")]
_Region = Annotated[str | None, typer.Option(metavar="NAME", help="The first region.")]
_Source = Annotated[str | None, typer.Option(metavar="ID", help="The first source: an app of yours.")]
_Destination = Annotated[str | None, typer.Option(metavar="TYPE", help="The type of the first destination.")]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of the destination; may be given several times."),
]
_Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


def init(
    file: _File = FILE_HERE,
    *,
    data_dir: _DataDir = None,
    bind: _Bind = None,
    region: _Region = None,
    source: _Source = None,
    destination: _Destination = None,
    settings: _Set = None,
    force: _Force = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Write a first postroad.toml, with what each setting means.

    On a terminal it asks what no flag says, elsewhere that is as by default. It makes a write key for the source and
    shows it once: the file has its SHA-256. What is written passes `postroad check`. A file that is there stays.
    """
    if os.path.lexists(file) and not force:
        raise UsageError(f"{file} is there already; --force writes over it")
    ask = _Questions(silent=yes or as_json or not sys.stdin.isatty())
    home = ask("Region", region, FIRST_REGION)
    key = new_key(home)
    app_id = ask("Source: the app that sends", source, SOURCE)
    chosen = {
        ("server", "bind"): ask("Address that events are sent to", bind, str(_DEFAULTS.bind)),
        ("server", "data_dir"): ask("Data folder", data_dir, f"./{_DEFAULTS.data_dir}"),
        ("regions", home): "",
        ("sources", app_id, "type"): "api",
        ("sources", app_id, "write_key_sha256"): key_hash(key),
        **_destination(ask, destination, settings or ()),
    }
    _write(file, _checked(chosen))
    _tell(file, key, as_json=as_json)


class _Questions:
    """Asks what no flag says."""

    def __init__(self, *, silent: bool) -> None:
        """Where nobody is asked, `silent`, the default is the answer."""
        self._silent = silent

    def __call__(self, what: str, flag: str | None, default: str | None) -> str:
        """Return the flag if it was given, else the answer, else the default. Raises `UsageError` without any."""
        if flag is not None:
            return flag
        if not self._silent:
            return str(typer.prompt(what, default=default, err=True))
        if default is None:
            raise UsageError(f"{what} is required: give it by --set {what.rpartition(' ')[2]}=VALUE")
        return default


def _destination(ask: _Questions, kind: str | None, settings: Sequence[str]) -> Mapping[KeyPath, str]:
    """Return the settings of the destination: its type, what was set, and what its type can't do without."""
    known = registry.catalogue()["destinations"]
    kind = ask(f"Type of the destination ({', '.join(known)})", kind, "file")
    if kind not in known:
        raise UsageError(f"--destination: {kind!r} is not a type of destination{did_you_mean(kind, known)}")
    given = dict(_pair(text) for text in settings)
    for setting in settings_of(known[kind]):
        if setting.required:
            given[setting.key] = ask(f"{kind}: {setting.key}", given.get(setting.key), None)
    place = ("destinations", DESTINATION if kind == "file" else kind)
    # From the beginning: an event may come before the delivery process has opened its account.
    given = {"from": "beginning", **given}
    return {(*place, "type"): kind, **{(*place, *key.split(".")): value for key, value in given.items()}}


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UsageError(f"--set: {text!r} is not KEY=VALUE")
    return key.strip(), value


def _checked(chosen: Mapping[KeyPath, str]) -> str:
    """Return the file, once it is right. Raises `UsageError` with all problems."""
    try:
        text = first_file(chosen, registry.catalogue())
        load_document(tomllib.loads(text), os.environ, registry.settings_type)
    except ConfigError as error:
        raise UsageError(f"nothing was written:\n{error}") from error
    return text


def _write(file: Path, text: str) -> None:
    try:
        write_private(file, text)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def _tell(file: Path, key: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"file": str(file), "key": key, "sha256": key_hash(key)})
        return
    say(f"wrote {file}")
    say(f"write key  {key} (shown this once; the file has its SHA-256)")
    say("")
    name = "" if file == FILE_HERE else f" --config {file}"
    say(f"Next: postroad check{name}, then postroad serve{name}")


app = verb(init)
