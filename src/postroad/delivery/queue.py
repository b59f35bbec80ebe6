"""What an account has to do next: frozen batches and retries that are due, and the records after its cursor."""

from collections import deque
from collections.abc import Callable, MutableSequence
from typing import Final

from postroad.clock import Clock
from postroad.delivery.backlog import Backlog
from postroad.delivery.frozen import FrozenBatches
from postroad.delivery.items import Batch, Item
from postroad.delivery.parts import Parts
from postroad.delivery.probes import ProbeFinder, Suspects
from postroad.delivery.retries import Retries
from postroad.destinations.base import BatchLimits
from postroad.errors import StoreError

_NOW: Final = 0


class Lane:
    """A batch that is being gathered, and until when it may linger. Fresh events and retries have a lane each: an event
    that failed before must not spoil the send of events that never did.
    """

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

    def fill(self, items: deque[Item]) -> bool:
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


class Queue:
    """Hands out batches, of fresh events or of retries. Where there are both they take turns, so that neither kind
    waits for the other, however many there are of it.

    `may_retry` tells whether another batch of retries may be sent just now.
    """

    def __init__(
        self,
        parts: Parts,
        limits: BatchLimits,
        *,
        frozen: FrozenBatches,
        suspects: Suspects,
        may_retry: Callable[[], bool],
    ) -> None:
        self._limits = limits
        self._frozen = frozen
        self._finder = finder = ProbeFinder(parts, suspects, frozen.holds)
        self._retries = Retries(parts)
        self._backlog = Backlog(parts, finder.holds)
        self._may_retry = may_retry
        self._alarm = parts.alarm
        self._fresh, self._again = Lane(limits, parts.clock), Lane(limits, parts.clock)
        self._was_fresh = True
        self._hurry = False
        self.held = False
        """Whether nothing is read or handed out but probes: what is not read yet, no edit of the configuration that
        comes before the end of a hold can filter."""

    async def next(self) -> Batch | None:
        """Return the next batch, waiting for one if there is none; None when the account has come to its end
        but for what is under way.

        A batch that is not full waits for more for as long as the limits let it linger. One that is empty is returned
        while it is held.
        Raises `StoreError` when the log or the ledger can't be read; call it again later.
        """
        while True:
            self._alarm.listen()
            if self.held:
                return Batch(self._limits)
            may_retry = self._may_retry()
            await self._gather(may_retry=may_retry)
            batch = await self._ready(may_retry=may_retry)
            if batch is not None:
                return batch
            if self._backlog.ended and not (self._fresh.begun or self._again.begun):
                return None
            lefts = [lane.left for lane in (self._fresh, self._again) if lane.begun]
            within = min((left for left in lefts if left > 0), default=None)
            if may_retry:
                await self._alarm.wait(within)
            else:  # whoever gives a retry's place back rings
                await self._alarm.news(within)

    async def probe(self, *, fresh: bool) -> Batch | None:
        """Return a batch of one event, to find out whether the destination works: the fresh event that is likeliest to
        be taken or, where there is none and `fresh` is not insisted on, a frozen batch or a retry that is due. None
        when there is nothing; it doesn't wait.

        Raises `StoreError`.
        """
        self.unload()
        await self._frozen.load()
        await self._backlog.read()
        item = await self._finder.find(self._backlog)
        if item is None and self._backlog.items:
            item = self._backlog.items.popleft()
        if item is None and not fresh:
            if (due := await self._frozen.next()) is not None:
                return due
            await self._retries.read()
            self._frozen.remind()
            item = self._retries.items.popleft() if self._retries.items else None
        return None if item is None else Batch(self._limits, [item])

    def put_back(self, batch: Batch) -> None:
        """Take back a batch that was handed out and not sent: its events come first of their kind next time."""
        if batch.frozen is not None:
            self._frozen.take_back(batch.frozen)
            return
        for item in reversed(batch.items):
            queue = self._retries.items if item.since else self._backlog.items
            queue.appendleft(item)

    def unload(self) -> None:
        """Put the events of both lanes back to where they came from."""
        self.put_back(self._fresh.take())
        self.put_back(self._again.take())

    async def expire(self, before: int, held: MutableSequence[Item]) -> None:
        """Let every event below an offset expire that was not handed out, and those of `held`, the batch that waits for
        the rate limit. Raises `StoreError`.
        """
        self._retries.let_go(held, before)
        self._fresh.let_go(self._retries, before)
        self._again.let_go(self._retries, before)
        await self._backlog.expire(before)
        await self._retries.expire(before)

    def look_again(self) -> None:
        """Ask the ledger for due retries now."""
        self._alarm.set(_NOW)

    async def rest(self) -> None:
        """Return when another call of `next` may find a batch: the log grew, a retry fell due, a send ended."""
        if self._may_retry():
            await self._alarm.wait()
        else:
            await self._alarm.news()

    def close(self) -> None:
        """Stop watching the log."""
        self._backlog.close()

    async def _gather(self, *, may_retry: bool) -> None:
        """Put into the lanes what there is."""
        self._hurry = False
        try:
            await self._frozen.load()  # before the backlog, which must leave out the events of frozen batches
            moved = True
            while moved and not self._fresh.full:
                await self._backlog.read()
                moved = self._fresh.fill(self._backlog.items)
            moved = may_retry
            while moved and not self._again.full:
                await self._retries.read()
                moved = self._again.fill(self._retries.items)
        except StoreError:
            self.look_again()  # the next call meets the error again
            if not (self._fresh.begun or self._again.begun):
                raise
            self._hurry = True  # the lanes go out as they are: lingering would ask a failing store without a pause
        if may_retry:
            self._frozen.remind()  # after the retries, whose reading sets the alarm anew

    async def _ready(self, *, may_retry: bool) -> Batch | None:
        """Return the batch whose turn it is, of those that need not wait for more."""
        fresh = self._is_ready(self._fresh)
        again = may_retry and (self._frozen.due or self._is_ready(self._again))
        if again and not (fresh and not self._was_fresh):
            self._was_fresh = False
            if (due := await self._frozen.next()) is not None:
                return due
            if self._is_ready(self._again):
                return self._again.take()
        if not fresh:
            return None
        self._was_fresh = True
        return self._fresh.take()

    def _is_ready(self, lane: Lane) -> bool:
        return lane.begun and (self._hurry or lane.left <= 0)
