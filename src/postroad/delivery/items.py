"""What moves through a delivery loop, and how a stored record becomes what a destination is handed."""

from collections.abc import Sequence
from typing import NamedTuple

from postroad.contract.stored import StoredEvent, read_key
from postroad.delivery.flow import Flow
from postroad.destinations.base import BatchLimits, Event
from postroad.destinations.dedup import KeyForm, dedup_key
from postroad.ledger.base import FrozenBatch
from postroad.log.base import Record

_ISOLATE = 8
"""By how much smaller a batch gets with every further try of one of its events; see `Batch`."""


class Item(NamedTuple):
    """One event on its way to one destination. `tries` were made before, the first at `first_at` (0: none).
    `since` is when it was due, 0 when it was just read off the log: it is fresh then. How much of its waiting
    from then on counts as its age, `Flow` says. `form` is the `KeyForm` of its key, at every try the same.
    """

    event: Event
    record: Record
    tries: int
    first_at: int
    since: int = 0
    form: int = KeyForm.DIGEST

    def sent(self, now: int, flow: Flow) -> "Item":
        """Return it as it is at the moment it is sent."""
        if not self.first_at:
            return self
        return self._replace(first_at=flow.standing(self.first_at, self.since, now), since=now)


def make_event(record: Record, stored: StoredEvent, region: str, form: int = KeyForm.DIGEST) -> Event:
    """Return a stored record as destinations get it, with its key in a `KeyForm`."""
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
        dedup_key(form, region, source, message_id),
    )


class Batch:
    """Items in order, as many as the limits let in; `frozen` is the ledger's row when they have to stay together.

    A batch that keeps failing while others succeed may have one bad event in it. So from an event's second try on the
    batches it goes out in are eight times smaller with every try, until it is alone.
    """

    __slots__ = ("_bytes", "_limits", "_room", "frozen", "full", "items")

    def __init__(self, limits: BatchLimits, items: Sequence[Item] = (), frozen: FrozenBatch | None = None) -> None:
        self._limits = limits
        self._room = limits.max_events
        self._bytes = limits.max_bytes
        self.items = list(items)
        self.frozen = frozen
        self.full = frozen is not None

    @property
    def fresh(self) -> bool:
        """Whether none of its events was ever sent."""
        return self.frozen is None and not any(item.since for item in self.items)

    def offer(self, item: Item) -> bool:
        """Take an item in, or tell that there is no room for it: the batch is full then."""
        room = self._room if item.tries <= 1 else min(self._room, self._company(item.tries))
        self._bytes -= len(item.event.body)
        apart = self._limits.frozen and bool(self.items) and item.form != self.items[0].form  # it is kept once a batch
        if self.items and (self._bytes < 0 or len(self.items) >= room or apart):
            self.full = True
            return False
        self._room = room
        self.items.append(item)
        self.full = len(self.items) >= room or self._bytes <= 0
        return True

    def _company(self, tries: int) -> int:
        smaller: int = self._limits.max_events // _ISOLATE ** min(tries - 1, 32)
        return max(1, smaller)
