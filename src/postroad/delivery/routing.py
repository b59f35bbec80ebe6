"""Which events a destination gets, decided by the configuration of the moment it reads them."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from postroad.contract.integrations import is_wanted
from postroad.contract.stored import StoredEvent
from postroad.ledger.base import Account, Outcome
from postroad.log.received import is_in


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


class Replay(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a replay is limited to: the names of its events (None: all), how many of them go out a second (None: as
    many as its destination takes), and when they were received, `since <= at < until` in microseconds (None: no limit).
    """

    events: Sequence[str] | None = None
    rate: float | None = None
    since: int | None = None
    until: int | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there are events in its stretch that it may not claim."""
        return (self.events, self.since, self.until) != (None, None, None)

    def claims(self, stored: StoredEvent) -> bool:
        """Tell whether an event is one of those that it is limited to."""
        return is_in(stored.received_at, self.since, self.until) and (
            self.events is None or is_listed(self.events, stored)
        )

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, account: Account) -> "Replay":
        """Read it off an account; one that is no replay is limited to nothing."""
        return msgspec.json.decode(account.replay or "{}", type=cls)
