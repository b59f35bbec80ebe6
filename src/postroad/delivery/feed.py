"""What an account has to do next: frozen batches and retries that are due, and the records after its cursor."""

from collections import deque
from collections.abc import Sequence

from postroad.delivery.backlog import Backlog
from postroad.delivery.batch import Batch
from postroad.delivery.frozen import FrozenBatches
from postroad.delivery.items import Item
from postroad.delivery.parts import Parts
from postroad.delivery.retries import Retries
from postroad.destinations.base import BatchLimits
from postroad.errors import StoreError


class Feed:
    """Hands out batches. Retries and new records take turns and may share one."""

    def __init__(
        self, parts: Parts, limits: BatchLimits, *, retries: Retries, backlog: Backlog, frozen: FrozenBatches
    ) -> None:
        self._limits = limits
        self._retries = retries
        self._backlog = backlog
        self._frozen = frozen
        self._alarm = parts.alarm
        self._clock = parts.clock
        self.returned: deque[Item] = deque()
        """Handed out and put back."""
        self._was_new = False
        self._linger_until: float | None = None

    async def next(self) -> Batch | None:
        """Return the next batch, waiting for one if there is none; None when the account has come to its end
        but for what is under way.

        A batch that is not full waits for more for as long as the limits let it linger.
        Raises `StoreError` when the log or the ledger can't be read; call it again later.
        """
        batch = Batch(self._limits)
        while True:
            self._alarm.listen()
            due = await self._gather(batch)
            if due is not None:
                self.put_back(batch.items)
                return due
            self._frozen.remind()  # only now: reading the retries sets the alarm anew
            if batch.items:
                left = self._left_to_linger()
                if batch.full or left <= 0:
                    self._linger_until = None
                    return batch
                await self._alarm.wait(left)
            elif self._backlog.ended:
                return None
            else:
                await self._alarm.wait()

    def put_back(self, items: Sequence[Item]) -> None:
        """Take back what was handed out and not sent; it comes first next time."""
        self.returned.extendleft(reversed(items))

    def look_again(self) -> None:
        """Ask the ledger for due retries now."""
        self._alarm.set(0)

    async def rest(self) -> None:
        """Return when something has happened that may change the answer of `next`."""
        await self._alarm.wait()

    def close(self) -> None:
        """Stop watching the log."""
        self._backlog.close()

    async def _gather(self, batch: Batch) -> Batch | None:
        """Add to a batch what there is, or return a frozen one that is due: it comes before one that was only begun."""
        try:
            if (due := await self._frozen.next()) is not None:
                return due
            if self._frozen.full and self._alarm.due:
                # Retries have to wait too, and their alarm would ring without a pause. Room comes with the next frozen
                # batch that falls due, and so does the alarm: `remind` sets it.
                self._alarm.switch_off()
            while not batch.full and not self._frozen.full:
                before = len(batch.items)
                await self._retries.read()
                await self._backlog.read()
                self._fill(batch)
                if len(batch.items) == before:
                    break
        except StoreError:
            if not batch.items:
                raise
            batch.full = True  # what was gathered goes out, or lingering would ask a failing store without a pause
            self.look_again()  # the next call meets the error again
        return None

    def _left_to_linger(self) -> float:
        """Return how many seconds the batch that was begun may still wait for more; a frozen one in between
        does not prolong that.
        """
        now = self._clock.monotonic()
        if self._linger_until is None:
            self._linger_until = now + self._limits.linger
        return self._linger_until - now

    def _fill(self, batch: Batch) -> None:
        returned, due, new = self.returned, self._retries.items, self._backlog.items
        while not batch.full and (returned or due or new):
            self._was_new = not returned and bool(new) and not (due and self._was_new)
            source = returned or (new if self._was_new else due)
            if not batch.offer(source[0]):
                return
            source.popleft()
