"""What moves through a delivery loop, and how a stored record becomes what a destination is handed."""

from typing import NamedTuple

from postroad.contract.stored import StoredEvent, read_key
from postroad.destinations.base import Event
from postroad.log.base import Record


class Item(NamedTuple):
    """One event on its way to one destination. `tries` were made before, the first at `first_at` (0: none)."""

    event: Event
    record: Record
    tries: int
    first_at: int


def make_event(record: Record, stored: StoredEvent, region: str) -> Event:
    """Return a stored record as destinations get it."""
    source, message_id = read_key(record.key)
    return Event(
        offset=record.offset,
        region=region,
        source=source,
        message_id=message_id,
        received_at=stored.received_at,
        type=stored.type.wire,
        name=stored.name,
        kind=stored.kind,
        violations=tuple(problem.sentence for problem in stored.violations),
        body=stored.body,
    )
