"""The frozen batches of an account: sent whole and unchanged until one of their events is settled."""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from postroad.delivery.items import Batch, Item
from postroad.delivery.parts import Parts
from postroad.delivery.schedule import is_due
from postroad.delivery.verdict import Verdict
from postroad.destinations.base import BatchLimits
from postroad.errors import StoreError
from postroad.ledger.base import FrozenBatch, Outcome, RetryRow
from postroad.log.base import Record, number_of, offset_of

_PAGE: Final = 1000
_AGAIN_AFTER: Final = 1.0


class FrozenBatches:
    """Keeps which batches wait and until when; their events are read from the log each time they are due.

    New batches are frozen however many of them wait: a batch that keeps failing must not hold up the others. While a
    destination takes nothing at all, the breaker sees to it that few are made.
    """

    def __init__(self, parts: Parts, limits: BatchLimits) -> None:
        self._account = parts.account.number
        self._limits = limits
        self._router = parts.router
        self._losses = parts.losses
        self._log = parts.log
        self._ledger = parts.ledger
        self._settler = parts.settler
        self._progress = parts.progress
        self._alarm = parts.alarm
        self._clock = parts.clock
        self._longest = parts.longest
        self._waiting: list[FrozenBatch] | None = None
        self._left: frozenset[int] = frozenset()
        self._logger = structlog.get_logger("postroad.delivery")

    def holds(self, offset: int) -> bool:
        """Tell whether a batch that an earlier run left behind has this record."""
        return offset in self._left

    @property
    def due(self) -> bool:
        """Whether a batch is due, of those that are known: `load` first."""
        now = self._clock.now()
        return any(is_due(one.due_at, now, self._longest) for one in self._waiting or ())

    async def next(self) -> Batch | None:
        """Return a batch that is due. Raises `StoreError` when it can't be read; call it again later."""
        await self.load()
        now = self._clock.now()
        due = [one for one in self._waiting or () if is_due(one.due_at, now, self._longest)]
        for frozen in sorted(due, key=lambda one: one.due_at):
            batch = await self._take(frozen)
            if batch is not None:
                return batch
        return None

    async def load(self) -> None:
        """Take up the batches that an earlier run left behind, the first time: `holds` knows them from then on."""
        if self._waiting is not None or not self._limits.frozen:
            return
        left = list(await self._ledger.frozen(self._account))
        offsets = frozenset(offset for batch in left for offset in batch.offsets)
        rows = await self._rows_of(offsets)
        if self._waiting is None:  # nobody else did meanwhile
            self._left, self._waiting = offsets, left
            for offset in rows:
                self._settler.expect(offset)

    async def _rows_of(self, offsets: frozenset[int]) -> Sequence[int]:
        """Return which of these offsets have a row in retry: dead letters that were resent and then frozen."""
        found: list[int] = []
        after = min(offsets, default=0) - 1
        while offsets and (page := await self._ledger.rows(self._account, Outcome.RETRY, after=after, limit=_PAGE)):
            found += offsets.intersection(page)
            after = page[-1]
            if after >= max(offsets):
                break
        return found

    def remind(self) -> None:
        """Set the alarm to the soonest batch."""
        for frozen in self._waiting or ():
            self._alarm.set(frozen.due_at)

    async def freeze(self, batch: Batch) -> Batch:
        """Return a batch frozen: it is in the ledger, however long that takes."""
        if batch.frozen is not None or not self._limits.frozen:
            return batch
        first = batch.items[0]
        offsets = [item.record.offset for item in batch.items]
        frozen = FrozenBatch(offsets, self._clock.now(), first.tries, first.first_at, "", first.form)
        await self._keep([frozen])
        return Batch(self._limits, batch.items, frozen)

    async def put_off(self, frozen: FrozenBatch, row: RetryRow) -> None:
        """Let a batch wait until the retry of its events is due."""
        later = frozen._replace(due_at=row.due_at, tries=row.tries, first_at=row.first_at, why=row.why)
        await self._keep([later])
        self._wait(later)

    async def halve(self, frozen: FrozenBatch) -> None:
        """Make two batches of one, both due now."""
        middle = (len(frozen.offsets) + 1) // 2
        halves = [frozen._replace(offsets=part) for part in (frozen.offsets[:middle], frozen.offsets[middle:])]
        await self._keep(halves)
        for half in halves:
            self._wait(half._replace(due_at=self._clock.now()))

    def hasten(self, at: int) -> None:
        """Let the waiting batches be due at `at`, those that are due later."""
        if self._waiting is not None:
            self._waiting = [one._replace(due_at=min(one.due_at, at)) for one in self._waiting]

    def take_back(self, frozen: FrozenBatch) -> None:
        """Take back a batch that was handed out and not sent."""
        if self._waiting is not None:
            self._waiting.append(frozen)

    async def expire(self, before: int) -> None:
        """Let the waiting batches expire whose events are all below an offset."""
        for frozen in [one for one in self._waiting or () if max(one.offsets) < before]:
            await self._records(frozen.offsets)  # for the sizes of their blocks
            if self._waiting is not None and frozen in self._waiting:
                self._waiting.remove(frozen)
                for offset in frozen.offsets:
                    self._settler.put(offset, Verdict(Outcome.EXPIRED))

    def _wait(self, frozen: FrozenBatch) -> None:
        self.take_back(frozen)
        self._alarm.set(frozen.due_at)
        self._alarm.ring()

    async def _keep(self, batches: Sequence[FrozenBatch]) -> None:
        while True:
            try:
                await self._ledger.freeze_batches(self._account, batches)
            except StoreError as error:
                self._logger.warning("the ledger can't be written; a batch waits", reason=str(error))
                await self._clock.sleep(_AGAIN_AFTER)
            else:
                return

    async def _take(self, frozen: FrozenBatch) -> Batch | None:
        """Take a batch out of the waiting ones; None when none of its events is to be sent any more."""
        loaded = await self._items(frozen)
        if self._waiting is None or frozen not in self._waiting:
            return None  # it expired while it was read
        self._waiting.remove(frozen)
        items = []
        for offset, item in zip(frozen.offsets, loaded, strict=True):
            if isinstance(item, Item):
                items.append(item)
            else:
                self._settler.put(offset, item)
        if not items:
            return None
        if len(items) < len(frozen.offsets):
            # The rest is another batch, written down as such before it is sent: else its events would be in none.
            frozen = frozen._replace(offsets=[item.record.offset for item in items])
            await self._keep([frozen])
        return Batch(self._limits, items, frozen)

    async def _items(self, frozen: FrozenBatch) -> Sequence[Item | Verdict]:
        """Return its events as items, and the verdict on those that are not to be sent any more."""
        records = await self._records(frozen.offsets)
        return [
            await self._router.unchanged(records[offset], frozen)
            if offset in records
            else await self._losses.verdict(offset)
            for offset in frozen.offsets
        ]

    async def _records(self, offsets: Sequence[int]) -> Mapping[int, Record]:
        """Return the records that are in the log, or in a retry (a resent dead letter)."""
        wanted, found = set(offsets), {}
        for number in sorted({number_of(offset) for offset in offsets}):
            for block in await self._log.read(offset_of(number, 0), 1):
                if block.lost:
                    await self._losses.meet(block)
                elif block.number == number:
                    self._progress.foresee(number, len(block.records))
                    found.update({record.offset: record for record in block.records if record.offset in wanted})
        for offset in wanted - found.keys():
            for row in await self._ledger.retries(self._account, due_at=None, offset=offset, limit=1):
                if row.key is not None and row.value is not None:
                    found[offset] = Record(offset, row.key, row.value)
        return found
