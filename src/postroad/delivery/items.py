"""What moves through a delivery loop, and how a stored record becomes what a destination is handed."""

from collections import deque
from typing import NamedTuple

from postroad.contract.stored import StoredEvent, read_key
from postroad.delivery.flow import Flow
from postroad.destinations.base import Event
from postroad.log.base import Record


class Item(NamedTuple):
    """One event on its way to one destination. `tries` were made before, the first at `first_at` (0: none).
    `since` is when it was due, 0 when it was just read off the log: it is fresh then. What of its waiting from then
    on is its age, `Flow` says.
    """

    event: Event
    record: Record
    tries: int
    first_at: int
    since: int = 0

    def sent(self, now: int, flow: Flow) -> "Item":
        """Return it as it is at the moment it is sent."""
        if not self.first_at:
            return self
        return self._replace(first_at=flow.standing(self.first_at, self.since, now), since=now)


Queue = deque[Item]


def make_event(record: Record, stored: StoredEvent, region: str) -> Event:
    """Return a stored record as destinations get it."""
    source, message_id = read_key(record.key)
    return Event(  # by position: it is made for every event
        record.offset,
        region,
        source,
        message_id,
        stored.received_at,
        stored.type.wire,
        stored.name,
        stored.kind,
        tuple(problem.sentence for problem in stored.violations) if stored.problems else (),
        stored.body,
    )
