"""The tables that say what a destination makes of the semantic email events: making one, and what it leaves out."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from postroad.contract.email import Kind
from postroad.destinations.base import EmailEvents, Sent

COMMON: Final = ("userId", "timestamp", "context.traits.email")
"""The members beside `properties` that say whose email it was and when it happened."""


def passed_on(key: str, names: Mapping[Kind, str] | None = None) -> EmailEvents:
    """Return the table of a destination that gets events as they are, but for the `names` it has for some."""
    return MappingProxyType(
        {
            kind: Sent((names or {}).get(kind, kind.event), {path: path for path in (*COMMON, *properties(kind))}, key)
            for kind in Kind
        }
    )


def properties(kind: Kind) -> tuple[str, ...]:
    """Return the paths of the properties that events of this kind may have."""
    return tuple(f"properties.{name}" for name in kind.properties.__struct_fields__)


def without_place(table: EmailEvents) -> frozenset[Kind]:
    """Return the kinds that a destination has no place for: None in its table, or not there, because the package that
    it comes from is older than the event.
    """
    return frozenset(kind for kind in Kind if table.get(kind) is None)
