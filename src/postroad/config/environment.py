"""Environment variables that override settings: `POSTROAD__SERVER__BIND` is `server.bind`.

The rule: the path of a setting, its parts joined by two underscores, in capitals, everything that is not
a letter or a digit turned into an underscore. So `destinations."My CRM".url` is
`POSTROAD__DESTINATIONS__MY_CRM__URL`. A variable can't make a region, a source or a destination.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from postroad.config.declared import is_open, member_of, settings_of, table_of
from postroad.config.problems import KeyPath, Problem, did_you_mean

PREFIX: Final = "POSTROAD__"

_SIGN: Final = re.compile(r"[^A-Z0-9]")


def variable_of(path: KeyPath) -> str:
    """Return the name of the variable that overrides the setting at `path`."""
    return PREFIX + "__".join(_SIGN.sub("_", str(part).upper()) for part in path)


def overlay(
    document: dict[str, Any], struct: type[msgspec.Struct], environ: Mapping[str, str]
) -> tuple[dict[KeyPath, str], list[Problem]]:
    """Put the values of the environment into the document. Returns the variable of each overridden path.

    A setting of a type that the file does not have is named by the variable's last parts in small letters.
    """
    places = list(_places(struct, document, ()))
    known: dict[str, list[KeyPath]] = {}
    for path, is_open_table in places:
        if not is_open_table:
            known.setdefault(variable_of(path), []).append(path)
    tables = [path for path, is_open_table in places if is_open_table]
    overrides: dict[KeyPath, str] = {}
    problems: list[Problem] = []
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        paths = known.get(name, [])
        if not paths and not _is_table(name, known):
            paths = _in_open_table(name, tables)
        fault = _put(document, paths[0], environ[name]) if len(paths) == 1 else _fault(name, paths, known)
        if fault:
            problems.append(Problem((), fault, name))
        else:
            overrides[paths[0]] = name
    return overrides, problems


def _places(struct: type[msgspec.Struct], table: object, path: KeyPath) -> Iterator[tuple[KeyPath, bool]]:
    """Yield every path that a variable may name, and every table that may hold more than the document has (True)."""
    given = table if isinstance(table, dict) else {}
    declared = settings_of(struct)
    for setting in declared:
        place = (*path, setting.key)
        inner, member = table_of(setting.kind), member_of(setting.kind)
        value = given.get(setting.key)
        if inner is not None:
            yield from _places(inner, value, place)
        elif member is not None and (inner := table_of(member)) is not None:
            for key, entry in (value if isinstance(value, dict) else {}).items():
                yield from _places(inner, entry, (*place, key))
        else:
            yield place, False
    if is_open(struct):
        yield path, True
        for key in given.keys() - {setting.key for setting in declared}:
            yield from _free(given[key], (*path, key))


def _free(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, bool]]:
    yield path, isinstance(value, dict)
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _free(member, (*path, key))


def _is_table(name: str, known: Mapping[str, list[KeyPath]]) -> bool:
    return any(other.startswith(name + "__") for other in known)


def _in_open_table(name: str, tables: list[KeyPath]) -> list[KeyPath]:
    """Return where a setting belongs that no file has and we don't declare: in the deepest table it fits."""
    fitting = [table for table in tables if name.startswith(variable_of(table) + "__")]
    deepest = max((len(variable_of(table)) for table in fitting), default=0)
    return [
        (*table, *name[deepest + 2 :].lower().split("__"))
        for table in fitting
        if len(variable_of(table)) == deepest and name[deepest + 2 :].strip("_")
    ]


def _put(document: dict[str, Any], path: KeyPath, text: str) -> str:
    """Put a value in its place; returns what is wrong with it, nothing when it is in."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "is not UTF-8"
    table: Any = document
    for part in path[:-1]:
        table = table.setdefault(part, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return "names a setting inside something that is not a table"
    table[path[-1]] = text
    return ""


def _fault(name: str, paths: list[KeyPath], known: Mapping[str, list[KeyPath]]) -> str:
    if len(paths) > 1:
        return "could mean more than one setting of this configuration; rename one of their tables"
    if _is_table(name, known):
        return "names a table; name one of its settings"
    return f"names no setting of this configuration{did_you_mean(name, known)}"
