"""From a TOML file and the environment to a checked `Config`, or to every problem at once."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from postroad.config.checks import cross_check
from postroad.config.declared import settings_of
from postroad.config.environment import overlay
from postroad.config.expansion import Expansion
from postroad.config.lines import key_lines
from postroad.config.model import Config, Destination
from postroad.config.problems import KeyPath, Origin, Problem
from postroad.config.reading import read_settings
from postroad.config.source import Source
from postroad.errors import ConfigError, UsageError

FILE_VARIABLE: Final = "POSTROAD_CONFIG"
FILE_HERE: Final = Path("postroad.toml")
FIRST_REGION: Final = "us"

_SYNTAX: Final = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)


class Types(Protocol):
    """Knows the types of sources and destinations: `postroad.registry.settings_type`."""

    def __call__(self, section: str, type_name: str) -> type[msgspec.Struct]:
        """Return the `Settings` of a type; `section` is `sources` or `destinations`.

        Raises `UsageError` with a sentence without its subject (`is not a type of source; did you mean ...`).
        """
        ...


def config_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file to read: the one given, or the one that `POSTROAD_CONFIG` names, or `./postroad.toml` when it is
    there, or None.
    """
    named = environ.get(FILE_VARIABLE, "")
    if path or named:
        return path or Path(named)
    return FILE_HERE if os.path.lexists(FILE_HERE) else None  # one that can't be read is an error, not another server


def load_file(path: Path, environ: Mapping[str, str], types: Types | None = None) -> Config:
    """Return the configuration of a file; raises `ConfigError` with all its problems."""
    try:
        text = path.read_bytes().decode()
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: is not UTF-8"]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError([_syntax(path, text, error)]) from None
    try:
        return load_document(document, environ, types, file=str(path), lines=key_lines(text))
    except RecursionError:
        raise ConfigError([f"{path}: is nested too deeply"]) from None


def load_document(
    document: dict[str, Any],
    environ: Mapping[str, str],
    types: Types | None = None,
    *,
    file: str = "",
    lines: Mapping[KeyPath, int] | None = None,
) -> Config:
    """Return the configuration of a parsed document, which is changed; raises `ConfigError` with all its problems."""
    if document.get("regions", {}) == {}:
        document["regions"] = {FIRST_REGION: {}}
    overrides, problems = overlay(document, Config, environ)
    expansion = Expansion(environ)
    expanded: Any = expansion.expand(document)
    problems += expansion.problems
    origin = Origin(file, lines, overrides, expansion.expanded)
    found: list[Problem] = []
    config = read_settings(Config, expanded, (), found)
    _add(problems, found)
    if config is not None:
        config = _settled(config, origin)
        if types is not None:
            config = _with_types(config, types, problems)
        _add(problems, cross_check(config))
    if problems or config is None:
        raise ConfigError(origin.sentences(problems))
    return config


def _add(problems: list[Problem], more: Iterable[Problem]) -> None:
    """Say nothing more of a value that is wrong already: what follows is about the default it took."""
    wrong = {problem.path for problem in problems}
    problems += [problem for problem in more if problem.path not in wrong]


def _settled(config: Config, origin: Origin) -> Config:
    """Fill in the defaults that depend on something else."""
    first = next(iter(config.regions), FIRST_REGION)
    sources = {
        name: msgspec.structs.replace(source, region=source.region or first) for name, source in config.sources.items()
    }
    destinations = {
        name: msgspec.structs.replace(entry, region=entry.region or first, names=entry.names or (name,))
        for name, entry in config.destinations.items()
    }
    return msgspec.structs.replace(config, sources=sources, destinations=destinations, origin=origin)


def _with_types(config: Config, types: Types, problems: list[Problem]) -> Config:
    """Read what each source and destination says beside the shared settings as its type's own."""
    sources = {
        name: msgspec.structs.replace(entry, settings=_own(("sources", name), entry, types, problems))
        for name, entry in config.sources.items()
    }
    destinations = {
        name: msgspec.structs.replace(entry, settings=_own(("destinations", name), entry, types, problems))
        for name, entry in config.destinations.items()
    }
    return msgspec.structs.replace(config, sources=sources, destinations=destinations)


def _own(
    path: tuple[str, str], entry: Source | Destination, types: Types, problems: list[Problem]
) -> msgspec.Struct | None:
    if any(problem.path == (*path, "type") for problem in problems):
        return None
    found = [*problems]
    try:
        struct = types(path[0], entry.type)
    except UsageError as error:
        _add(problems, [Problem((*path, "type"), str(error))])
        return None
    shared = [setting.key for setting in settings_of(type(entry))]
    owner = f"type `{entry.type}`"
    settings = read_settings(struct, entry.options, path, found, owner=owner, beside=shared)
    _add(problems, found[len(problems) :])
    return settings


def _syntax(path: Path, text: str, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"{path}: is nested too deeply"
    found = _SYNTAX.fullmatch(str(error))
    if found is None:
        return f"{path}: has a value that TOML does not allow"
    line = found.group(2) or text.count("\n") + 1
    return f"{path}:{line}: is not TOML: {found.group(1)}"
