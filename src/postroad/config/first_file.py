"""A first postroad.toml: what was chosen, with its sentences, and what people often change, commented out."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from postroad.config.declared import Setting, unwrap
from postroad.config.leaves import from_text
from postroad.config.model import Destination, Region, Server
from postroad.config.problems import KeyPath, dotted
from postroad.config.reference import Catalogue, commented, flat
from postroad.config.source import Source

_HEAD: Final = """\
# The configuration of Postroad; `postroad check` says whether it is right. A line that begins with `#` is a comment:
# take the sign away from a setting to change it. docs/reference/configuration.md has all settings. An editor that knows
# JSON schemas completes and checks this file: `postroad schema > postroad.schema.json`, and as the first line here
#   #:schema ./postroad.schema.json
"""

_STRUCTS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "server": Server,
    "regions": Region,
    "sources": Source,
    "destinations": Destination,
}
_ALSO: Final[Mapping[str, frozenset[str]]] = {
    "server": frozenset({"admin_bind", "strict", "log_level", "trusted_proxies"}),
    "regions": frozenset({"hosts", "retention", "disk_floor"}),
    "sources": frozenset({"strict", "rate.events"}),
    "destinations": frozenset({"names", "events", "pii.email", "from", "rate.events", "retry.max_age"}),
}
"""Settings that are shown though nobody chose them, beside all of a destination's type."""


def first_file(chosen: Mapping[KeyPath, str], types: Catalogue) -> str:
    """Return the file in which these settings have these values, in the order of their tables.

    A path is a table's and a setting's: `("sources", "app", "type")`; one that isn't declared is written all the same,
    for whoever checks the file to say. A value is what TOML writes, a text without its quotes.
    """
    parts = [_HEAD]
    for table in dict.fromkeys(_table_of(path) for path in chosen):
        parts.append(f"\n\n# {_STRUCTS[str(table[0])].__doc__}\n[{dotted(table)}]\n")
        parts.extend(_settings(table, chosen, types))
    return "".join(parts)


def _table_of(path: KeyPath) -> KeyPath:
    return path[:1] if path[0] == "server" else path[:2]


def _settings(table: KeyPath, chosen: Mapping[KeyPath, str], types: Catalogue) -> Iterator[str]:
    section = str(table[0])
    own = types.get(section, {}).get(chosen.get((*table, "type"), ""))
    of_type = dict(flat(own)) if own else {}
    left = {path[len(table) :]: value for path, value in chosen.items() if path[: len(table)] == table}
    for key, setting in {**dict(flat(_STRUCTS[section])), **of_type}.items():
        if key in left:
            yield f"\n# {setting.description}\n{dotted(key)} = {_written(setting, left.pop(key))}\n"
        elif dotted(key) in _ALSO[section] or (section == "destinations" and key in of_type):
            yield commented(key, setting)
    for key, value in left.items():
        if key:
            yield f"\n{dotted(key)} = {_text(value)}\n"


def _written(setting: Setting, value: str) -> str:
    """Write a value as TOML: as it is when it is a number, a boolean, a list or a table, and the setting no text."""
    read: Any = from_text(value)
    plain = unwrap(setting.kind)[0] is str or isinstance(read, str)
    return _text(value) if plain else value


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
