"""Which events a destination gets, decided by the configuration of the moment it reads them."""

from collections.abc import Collection
from typing import NamedTuple

from postroad.contract.integrations import is_wanted
from postroad.contract.stored import StoredEvent
from postroad.ledger.base import Outcome


class Route(NamedTuple):
    """What a destination asks for.

    `names` are what events write in `integrations` to mean it; `events` limits it to track events with these
    names, None takes every call.
    """

    names: tuple[str, ...]
    events: frozenset[str] | None
    enabled: bool


def filter_of(route: Route, event: StoredEvent) -> Outcome | None:
    """Return the rule that keeps an event from a destination, or None when it goes there."""
    if not route.enabled:
        return Outcome.FILTERED_DISABLED
    if event.routed and not is_wanted(event.body, route.names):
        return Outcome.FILTERED_INTEGRATIONS
    if route.events is not None and not is_listed(route.events, event):
        return Outcome.FILTERED_EVENTS
    return None


def is_listed(events: Collection[str], event: StoredEvent) -> bool:
    """Tell whether a list of names has the name an event came with, or that of the semantic event it is."""
    return event.name in events or (event.kind is not None and event.kind.event in events)
