"""What a running server can take over of a configuration that was read again: its sources and destinations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import fields

from postroad.config.model import Config
from postroad.config.problems import KeyPath, Problem, dotted
from postroad.errors import ConfigError

_FIXED: Final = ("server", "regions")
_MAY_CHANGE: Final = ("sources", "destinations")


class Change(NamedTuple):
    """What is another than before: tables by their names (`sources.app`)."""

    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[str]


def compare(old: Config, new: Config) -> Change:
    """Return what is another in `new`. Raises `ConfigError` naming each setting that needs a restart."""
    fixed = [path for section in _FIXED for path in _others((section,), getattr(old, section), getattr(new, section))]
    if fixed:
        message = "can't change while the server runs; stop it and start it again"
        raise ConfigError(new.origin.sentences(Problem(path, message) for path in fixed))
    added, removed, changed = [], [], []
    for section in _MAY_CHANGE:
        before, after = getattr(old, section), getattr(new, section)
        added += _names(section, (name for name in after if name not in before))
        removed += _names(section, (name for name in before if name not in after))
        changed += _names(section, (name for name in after if name in before and after[name] != before[name]))
    return Change(added, removed, changed)


def _names(section: str, found: Iterable[str]) -> list[str]:
    return [dotted((section, name)) for name in found]


def _others(path: KeyPath, old: Any, new: Any) -> Iterator[KeyPath]:
    """Yield the path of each setting that is another."""
    if old == new:
        return
    if isinstance(old, Struct) and type(old) is type(new):
        for field in fields(old):
            yield from _others((*path, field.encode_name), getattr(old, field.name), getattr(new, field.name))
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in {**old, **new}:
            yield from _others((*path, name), old.get(name), new.get(name))
    else:
        yield path
