"""A JSON schema of the configuration file, for editors: from the same declarations as the reference.

Draft 7, which editors know. It says less than `postroad check`: what two settings must be to each other, and what the
environment adds, only that knows.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from postroad.config.declared import (
    Setting,
    choices_of,
    element_of,
    is_kind_of,
    member_of,
    settings_of,
    sort_of,
    table_of,
    union_of,
    unwrap,
)
from postroad.config.model import Config, Destination
from postroad.config.reference import Catalogue
from postroad.config.source import Source
from postroad.secret import Secrets

Schema = dict[str, Any]

_EXPANDED: Final[Schema] = {"type": "string", "pattern": r"\$\{.+\}"}
"""`${NAME}` and `${file:PATH}` may stand for any value."""
_OR_EXPANDED: Final[Schema] = {"$ref": "#/definitions/expanded"}

_TEXT: Final[Schema] = {"type": "string"}
_TEXTS: Final[Schema] = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}

_SORTS: Final[Mapping[str, Schema]] = {
    "duration": {
        "anyOf": [
            {"type": "number", "minimum": 0},
            {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)?\s*$"},
        ]
    },
    "size": {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*([KkMmGgTt]i?)?[Bb]?\s*$"},
        ]
    },
    "address": {"type": "string", "pattern": r":[0-9]{1,5}$"},
    "host": {"type": "string", "pattern": r"^[^/\s]+$"},
    "network": {"type": "string", "pattern": r"^[0-9a-fA-F:.]+(/[0-9]{1,3})?$"},
    "path": {"type": "string", "minLength": 1},
    "text or list of texts": _TEXTS,
}
"""What is written for each sort of value, by its name in the reference; a sort of another package may be anything."""

_PLAIN: Final[Mapping[Any, Schema]] = {
    str: _TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
}
_BOUNDS: Final = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "pattern": "pattern",
}
_TYPED: Final[Mapping[str, type[msgspec.Struct]]] = {"sources": Source, "destinations": Destination}


def json_schema(types: Catalogue) -> bytes:
    """Return the schema with the settings of these types, as JSON for people."""
    return msgspec.json.format(msgspec.json.encode(schema(types)), indent=2) + b"\n"


def schema(types: Catalogue) -> Schema:
    """Return the schema with these types, which are all that it takes, and their settings."""
    shared = {
        f"{section}.{key}": found for section, struct in _TYPED.items() for key, found in _properties(struct).items()
    }
    sections = {setting.key: _described(setting, _of_kind(setting.kind)) for setting in settings_of(Config)}
    for section, struct in _TYPED.items():
        known = types.get(section, {})
        sections[section]["additionalProperties"] = _by_type(section, struct, known)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Postroad",
        "description": "The configuration file of Postroad, postroad.toml.",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
        "definitions": {"expanded": _EXPANDED, **shared},
    }


def _by_type(section: str, struct: type[msgspec.Struct], known: Mapping[str, type[msgspec.Struct]]) -> Schema:
    """Return the schema of a table whose `type` says which settings it has beside the shared ones."""
    shared = {setting.key: {"$ref": f"#/definitions/{section}.{setting.key}"} for setting in settings_of(struct)}
    kind = next(setting for setting in settings_of(struct) if setting.key == "type")
    cases = [
        {
            # Where `type` is left out, `properties` says nothing, and so the case of the default holds.
            "if": {"properties": {"type": {"const": name}}, **({} if kind.default == name else {"required": ["type"]})},
            "then": {
                "properties": {**shared, **_properties(settings)},
                "required": _required(settings),
                "additionalProperties": False,
            },
        }
        for name, settings in known.items()
    ]
    names = {"description": kind.description, **_or_expanded({"enum": list(known)})}
    return {"type": "object", "properties": {"type": names}, "required": _required(struct), "allOf": cases}


def _table(struct: type[msgspec.Struct]) -> Schema:
    tag = struct.__struct_config__
    own = {tag.tag_field: {"const": tag.tag}} if tag.tag_field else {}
    return {
        "type": "object",
        "properties": {**own, **_properties(struct)},
        "required": _required(struct),
        "additionalProperties": False,
    }


def _properties(struct: type[msgspec.Struct]) -> dict[str, Schema]:
    return {setting.key: _described(setting, _of_kind(setting.kind)) for setting in settings_of(struct)}


def _required(struct: type[msgspec.Struct]) -> list[str]:
    return [setting.key for setting in settings_of(struct) if setting.required]


def _described(setting: Setting, found: Schema) -> Schema:
    return {"description": setting.description, **found} if setting.description else found


def _of_kind(kind: Any) -> Schema:
    """Return the schema of the values of a type, with `${NAME}` for those that are no texts."""
    found = _plain(kind)
    return found if found.get("type") == "string" and not found.keys() - {"type"} else _or_expanded(found)


def _or_expanded(found: Schema) -> Schema:
    return found if "additionalProperties" in found else {"anyOf": [*(found.get("anyOf") or [found]), _OR_EXPANDED]}


def _plain(kind: Any) -> Schema:
    bare, sort, struct = unwrap(kind)[0], sort_of(kind), table_of(kind)
    element, member = element_of(kind), member_of(kind)
    if struct is not None:
        return _table(struct)
    if sort is not None:
        return _SORTS.get(sort.name, {})
    if union_of(kind):
        return {"anyOf": [_plain(one) for one in union_of(kind)]}
    if element is not None:
        return _bounded(kind, {"type": "array", "items": _of_kind(element)}, "Items")
    if member is not None:
        return {"type": "object", "additionalProperties": _of_kind(member)}
    return {"enum": list(choices_of(kind))} if choices_of(kind) else _bounded(kind, _leaf(bare), "Length")


def _leaf(bare: Any) -> Schema:
    if is_kind_of(bare, Secrets):
        return _TEXTS
    return _PLAIN.get(bare, _TEXT if hasattr(bare, "from_config") else {})


def _bounded(kind: Any, found: Schema, counted: str) -> Schema:
    """Return a schema with the bounds that the type declares."""
    bounds: Schema = {}
    for note in unwrap(kind)[1]:
        if isinstance(note, msgspec.Meta):
            said = {name: getattr(note, name) for name in (*_BOUNDS, "min_length", "max_length")}
            bounds |= {
                _BOUNDS.get(name) or re.sub("_length", counted, name): value
                for name, value in said.items()
                if value is not None
            }
    return {**found, **bounds}
