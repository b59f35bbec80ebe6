"""`postroad new`: the first version of something that the reader goes on to write."""

import keyword
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated, Final

import msgspec
import typer

from postroad.cli.options import AsJson, group
from postroad.cli.output import say, say_json
from postroad.contract.email import Kind
from postroad.errors import UsageError
from postroad.registry import DESTINATIONS, ENTRY_POINTS
from postroad.testing.events import email_event

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_REGISTRY: Final = Path("src/postroad/registry.py")

app = group("Start writing something: its first version works, and has its tests.")


@app.command("destination")
def destination(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What `type` will say: small letters, digits and _.")],
    *,
    package: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a package of your own into this new folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a destination that works: its file, a golden folder and its tests.

    In a checkout of Postroad it becomes one of the built-in ones; with `--package` it is a package of its own, found
    by its entry point. ADDING_A_DESTINATION.md goes on from there.
    """
    _check_name(name)
    module = f"postroad_{name}.destination" if package else f"postroad.destinations.{name}"
    written = _package(name, module, package) if package else _built_in(name, module)
    _write(written)
    place = f"{module}:{_class_name(name)}"
    line = f'{name} = "{place}"' if package else f'"{name}": "{place}",'
    if as_json:
        say_json({"files": [str(path) for path in written], "registry": line})
        return
    for path in written:
        say(f"wrote {path}")
    say("")
    if package:
        say(f"Its pyproject.toml registers it under {ENTRY_POINTS}: {line}")
    else:
        say(f"Add this line to DESTINATIONS in {_REGISTRY}:")
        say(f"    {line}")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r} can't be the name of a module; use small letters, digits and _ between them")
    if name in DESTINATIONS:
        raise UsageError(f"{name!r} is a destination already: {DESTINATIONS[name]}")


def _built_in(name: str, module: str) -> Mapping[Path, str]:
    if not _REGISTRY.is_file():
        raise UsageError(f"there is no {_REGISTRY} here; run this in a checkout of Postroad, or give --package DIR")
    golden = Path("tests/golden/destinations") / name
    words = _words(name, module, f'Path(__file__).parents[1] / "golden" / "destinations" / "{name}"')
    return {
        Path(f"src/postroad/destinations/{name}.py"): _filled("destination.py.txt", words),
        Path(f"tests/destinations/test_{name}.py"): _filled("test_destination.py.txt", words),
        **_golden(golden),
    }


def _package(name: str, module: str, folder: Path) -> Mapping[Path, str]:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    package = folder / f"postroad_{name}"
    words = _words(name, module, 'Path(__file__).parent / "golden"')
    return {
        folder / "pyproject.toml": _filled("pyproject.toml.txt", {**words, "package": package.name}),
        package / "__init__.py": f'"""The {name} destination for Postroad."""\n',
        package / "destination.py": _filled("destination.py.txt", words),
        folder / "tests" / f"test_{name}.py": _filled("test_destination.py.txt", words),
        **_golden(folder / "tests" / "golden"),
    }


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _words(name: str, module: str, golden: str) -> Mapping[str, str]:
    return {"name": name, "class_name": _class_name(name), "module": module, "golden": golden}


def _filled(template: str, words: Mapping[str, str]) -> str:
    text = (files(__package__) / "templates" / template).read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _golden(folder: Path) -> Mapping[Path, str]:
    return {folder / f"{kind.name.lower()}.json": _filled("golden.json.txt", _request(kind)) for kind in Kind}


def _request(kind: Kind) -> Mapping[str, str]:
    """Return what the first version sends for the event that its tests send."""
    event = email_event(kind)
    said = msgspec.json.decode(event.body)
    properties = msgspec.json.encode(said["properties"]).decode()
    names = {"id": event.message_id, "event": event.name, "time": said["timestamp"], "user": said["userId"]}
    return {**names, "properties": properties}


def _write(written: Mapping[Path, str]) -> None:
    """Write all files, or none when one of them is there already."""
    there = [str(path) for path in written if path.exists()]
    if there:
        raise UsageError(f"nothing was written: {', '.join(there)} exists already")
    try:
        for path, text in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from error
