"""What goes out in one send."""

from collections.abc import Sequence

from postroad.delivery.items import Item
from postroad.destinations.base import BatchLimits
from postroad.ledger.base import FrozenBatch

_ISOLATE = 8


class Batch:
    """Items in order, as many as the limits let in; `frozen` when the ledger holds it together.

    What keeps failing while others succeed may be one bad event that spoils its batch. So from its second try
    on an event goes out in company that gets eight times smaller with each, until it is alone.
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
        """Whether none of it was ever sent, so that it fails for no fault that is known of it."""
        return self.frozen is None and not any(item.since for item in self.items)

    def offer(self, item: Item) -> bool:
        """Take an item in, or tell that there is no room for it: the batch is full then."""
        room = self._room if item.tries <= 1 else min(self._room, self._company(item.tries))
        self._bytes -= len(item.event.body)
        if self.items and (self._bytes < 0 or len(self.items) >= room):
            self.full = True
            return False
        self._room = room
        self.items.append(item)
        self.full = len(self.items) >= room or self._bytes <= 0
        return True

    def _company(self, tries: int) -> int:
        smaller: int = self._limits.max_events // _ISOLATE ** min(tries - 1, 32)
        return max(1, smaller)
