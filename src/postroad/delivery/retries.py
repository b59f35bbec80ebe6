"""The retries of an account that are due, read from the ledger a few at a time."""

import asyncio
from collections import deque
from collections.abc import MutableSequence, Sequence
from typing import Final

from postroad.delivery.items import Item
from postroad.delivery.parts import Parts
from postroad.delivery.schedule import is_due
from postroad.delivery.verdict import Verdict
from postroad.ledger.base import Outcome, RetryRow
from postroad.log.base import Record

_AT_A_TIME: Final = 256


class Retries:
    """Asks the ledger only when a retry can be due: the alarm is set to the soonest one."""

    def __init__(self, parts: Parts) -> None:
        self._account = parts.account.number
        self._router = parts.router
        self._losses = parts.losses
        self._log = parts.log
        self._ledger = parts.ledger
        self._settler = parts.settler
        self._alarm = parts.alarm
        self._clock = parts.clock
        self._longest = parts.longest
        self._reading = asyncio.Lock()  # `read` and `expire` must not both decide on the same rows
        self.items: deque[Item] = deque()
        """Due, and not handed out yet."""

    async def read(self) -> None:
        """Read what is due, unless there is some left or nothing can be due.

        After a `StoreError` set the alarm to now: it is off.
        """
        if self.items or not self._alarm.due:
            return
        async with self._reading:
            await self._read_on()

    def let_go(self, items: MutableSequence[Item], before: int) -> None:
        """Take the items below an offset out of `items`: fresh ones expire, retries stay rows of the ledger."""
        old = [item for item in items if item.record.offset < before]
        kept = [item for item in items if item.record.offset >= before]
        items.clear()
        items.extend(kept)
        for item in old:
            if item.since:  # it has a row
                self._settler.unexpect(item.record.offset)
            else:
                self._settler.put(item.record.offset, Verdict(Outcome.EXPIRED))
        self._alarm.set(0)

    async def expire(self, before: int) -> None:
        """Let the retries below an offset expire whose bytes are only in the log."""
        self.let_go(self.items, before)
        after = -1
        while page := await self._ledger.rows(self._account, Outcome.RETRY, after=after, limit=_AT_A_TIME):
            for offset in page:
                if offset >= before:
                    return
                async with self._reading:
                    await self._expire_one(offset)
            after = page[-1]

    async def _read_on(self) -> None:
        now = self._clock.now()
        self._alarm.switch_off()
        stale = self._settler.stale()  # taken before the rows are read, so that no row is newer than this
        limit = _AT_A_TIME + len(stale)
        found = await self._ledger.retries(self._account, due_at=None, limit=limit)
        far: Sequence[RetryRow] = []
        if len(found) == limit:  # else `found` has also the rows that a clock which was set put too far ahead
            far = await self._ledger.retries(self._account, due_at=None, due_after=now + self._longest, limit=limit)
        waiting = False
        for retry in (*found, *far):
            if retry.offset in stale or self._settler.is_stale(retry.offset):
                continue
            if is_due(retry.due_at, now, self._longest):
                await self._take(retry)
            else:
                self._alarm.set(retry.due_at)
                waiting = True
        if len(far) == limit or (len(found) == limit and not waiting):
            self._alarm.set(now)

    async def _expire_one(self, offset: int) -> None:
        if self._settler.is_stale(offset):
            return
        rows = await self._ledger.retries(self._account, due_at=None, offset=offset, limit=1)
        if rows and rows[0].value is None:
            self._settler.expect(offset)
            self._settler.put(offset, Verdict(Outcome.EXPIRED))

    async def _take(self, retry: RetryRow) -> None:
        record = await self._record_of(retry)
        if record is None:
            gone = await self._losses.verdict(retry.offset)
            self._settler.expect(retry.offset)
            self._settler.put(retry.offset, gone)
            return
        self._settler.expect(retry.offset)
        item = await self._router.again(record, retry)
        if isinstance(item, Item):
            self.items.append(item)
        else:
            self._settler.put(retry.offset, item)

    async def _record_of(self, retry: RetryRow) -> Record | None:
        if retry.key is not None and retry.value is not None:
            return Record(retry.offset, retry.key, retry.value)
        return await self._log.get(retry.offset)
