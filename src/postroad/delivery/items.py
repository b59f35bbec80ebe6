"""What moves through a delivery loop, and how a stored record becomes what a destination is handed."""

from typing import NamedTuple

from postroad.contract.stored import StoredEvent, read_key
from postroad.delivery.schedule import standing
from postroad.destinations.base import Event
from postroad.log.base import Record


class Item(NamedTuple):
    """One event on its way to one destination. `tries` were made before, the first at `first_at` (0: none).
    `since` is when it was due (0: it was just read off the log): what it waits from then on is not its age.
    """

    event: Event
    record: Record
    tries: int
    first_at: int
    since: int = 0

    def sent(self, now: int) -> "Item":
        """Return it as it is at the moment it is sent."""
        return self._replace(first_at=standing(self.first_at, self.since, now), since=now) if self.first_at else self


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
