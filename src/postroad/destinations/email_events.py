"""The tables that say what a destination makes of the six semantic email events: making one, and asking it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from postroad.contract.email import PROPERTIES, Kind
from postroad.destinations.base import EmailEvents, Event, Sent

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
    return tuple(f"properties.{field.name}" for field in msgspec.structs.fields(PROPERTIES[kind]))


def has_place(table: EmailEvents, event: Event) -> bool:
    """Tell whether the table has a place for this event; for one that is no semantic email event it does not say no."""
    return event.kind is None or table[event.kind] is not None
