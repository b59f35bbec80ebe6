"""A batch that is being gathered from one queue of items, and until when it may linger."""

from postroad.clock import Clock
from postroad.delivery.batch import Batch
from postroad.delivery.items import Queue
from postroad.delivery.retries import Retries
from postroad.destinations.base import BatchLimits


class Lane:
    """Fresh events and retries have a lane each: what failed before must not spoil the sends of what did not."""

    def __init__(self, limits: BatchLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._batch = Batch(limits)
        self._until = 0.0

    @property
    def begun(self) -> bool:
        """Whether there is anything in it."""
        return bool(self._batch.items)

    @property
    def full(self) -> bool:
        """Whether nothing more goes in."""
        return self._batch.full

    @property
    def left(self) -> float:
        """How many seconds what was begun may still wait for more; zero or less when it is to go out."""
        return 0.0 if self._batch.full else self._until - self._clock.monotonic()

    def fill(self, items: Queue) -> bool:
        """Move in what there is room for; tell whether that was anything."""
        before = len(self._batch.items)
        while items and not self._batch.full and self._batch.offer(items[0]):
            items.popleft()
        if not before and self._batch.items:
            self._until = self._clock.monotonic() + self._limits.linger
        return len(self._batch.items) > before

    def take(self) -> Batch:
        """Return what was gathered, and begin anew."""
        batch, self._batch = self._batch, Batch(self._limits)
        return batch

    def let_go(self, retries: Retries, before: int) -> None:
        """Let what is below an offset expire: see `Retries.let_go`."""
        retries.let_go(self._batch.items, before)
        if not self._batch.items:
            self.take()
