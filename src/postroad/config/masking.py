"""A configuration as people may see it."""

from typing import Any

import msgspec

from postroad.config.declared import element_of, is_secret, member_of, settings_of, sort_of
from postroad.config.model import Config, Destination
from postroad.config.problems import KeyPath
from postroad.config.source import Source
from postroad.secret import MASK

_Expanded = frozenset[KeyPath]


def masked(config: Config) -> dict[str, Any]:
    """Return the configuration as plain values, keys as in the file, every secret as `***`.

    A value that came from `${…}` is a secret, and so is every setting of a type that nobody knew at loading.
    """
    return _table(config, (), config.origin.expanded)


def _table(struct: msgspec.Struct, path: KeyPath, expanded: _Expanded) -> dict[str, Any]:
    shown = {
        setting.key: _shown(setting.kind, getattr(struct, setting.name), (*path, setting.key), expanded)
        for setting in settings_of(type(struct))
    }
    if isinstance(struct, Source | Destination):
        own = struct.settings
        shown |= dict.fromkeys(struct.options, MASK) if own is None else _table(own, path, expanded)
    return shown


def _shown(kind: Any, value: Any, path: KeyPath, expanded: _Expanded) -> Any:
    sort = sort_of(kind)
    if isinstance(value, msgspec.Struct):
        return _table(value, path, expanded)
    if isinstance(value, dict) and not is_secret(kind):
        return {key: _shown(member_of(kind), member, (*path, key), expanded) for key, member in value.items()}
    if is_secret(kind) or any(at[: len(path)] == path for at in expanded):
        return MASK if value else ""
    if sort is not None and value is not None:
        return sort.write(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(element_of(kind), member, (*path, index), expanded) for index, member in enumerate(value)]
    # A value of a type that reads itself is whatever it prints; a secret prints as `***`.
    return value if value is None or isinstance(value, str | int | float) else str(value)
