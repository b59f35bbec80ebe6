"""A configuration as people may see it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.config.declared import Options, element_of, is_secret, settings_of, sort_of
from postroad.config.model import Config, Destination
from postroad.config.problems import KeyPath
from postroad.secret import MASK

Types = Mapping[str, type[msgspec.Struct]]
"""The settings of each type of destination, by the type's name."""


def masked(config: Config, types: Types | None = None) -> dict[str, Any]:
    """Return the configuration as plain values, keys as in the file, every secret as `***`.

    A value that came from `${…}` is a secret, and so is every setting of a type that `types` doesn't tell about.
    """
    return _table(config, (), config.origin.expanded, types or {})


def _table(struct: msgspec.Struct, path: KeyPath, expanded: frozenset[KeyPath], types: Types) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for setting in settings_of(type(struct)):
        value = getattr(struct, setting.name)
        place = (*path, setting.key)
        if isinstance(value, msgspec.Struct):
            shown[setting.key] = _table(value, place, expanded, types)
        elif isinstance(value, dict):
            shown[setting.key] = {key: _table(entry, (*place, key), expanded, types) for key, entry in value.items()}
        elif is_secret(setting.kind) or _is_expanded(place, expanded):
            shown[setting.key] = MASK if value else ""
        else:
            shown[setting.key] = _plain(setting.kind, value)
    if isinstance(struct, Destination):
        shown |= _options(struct.options, path, expanded, types.get(struct.type))
    return shown


def _options(
    options: Options, path: KeyPath, expanded: frozenset[KeyPath], struct: type[msgspec.Struct] | None
) -> dict[str, Any]:
    open_keys = {setting.key for setting in settings_of(struct) if not is_secret(setting.kind)} if struct else set()
    return {
        key: value if key in open_keys and not _is_expanded((*path, key), expanded) else MASK
        for key, value in options.items()
    }


def _is_expanded(path: KeyPath, expanded: frozenset[KeyPath]) -> bool:
    return any(place[: len(path)] == path for place in expanded)


def _plain(kind: Any, value: Any) -> Any:
    sort, element = sort_of(kind), element_of(kind)
    if value is None:
        return None
    if sort is not None:
        return sort.write(value)
    return [_plain(element, member) for member in value] if element is not None else value
