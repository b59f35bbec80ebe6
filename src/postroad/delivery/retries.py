"""The retries of an account that are due, read from the ledger a few at a time."""

from collections import deque
from typing import Final

from postroad.clock import Clock
from postroad.contract.stored import unpack
from postroad.delivery.alarm import Alarm
from postroad.delivery.items import Item, make_event
from postroad.delivery.settler import Settler
from postroad.delivery.verdict import Verdict
from postroad.ledger.base import LedgerReader, Outcome, Retry
from postroad.log.base import LogReader, Record

_AT_A_TIME: Final = 64


class Retries:
    """Asks the ledger only when a retry can be due: the alarm is set to the soonest one."""

    def __init__(
        self,
        account: int,
        region: str,
        *,
        log: LogReader,
        ledger: LedgerReader,
        settler: Settler,
        alarm: Alarm,
        clock: Clock,
    ) -> None:
        self._account = account
        self._region = region
        self._log = log
        self._ledger = ledger
        self._settler = settler
        self._alarm = alarm
        self._clock = clock
        self.items: deque[Item] = deque()
        """Due, and not handed out yet."""

    async def read(self) -> None:
        """Read what is due, unless there is some left or nothing can be due.

        After a `StoreError` set the alarm to now: it is off.
        """
        if self.items or not self._alarm.due:
            return
        now = self._clock.now()
        self._alarm.switch_off()
        stale = self._settler.stale()  # of the moment before: what the ledger shows is not newer than this
        limit = _AT_A_TIME + len(stale)
        found = await self._ledger.retries(self._account, due_at=None, limit=limit)
        for retry in found:
            if retry.offset in stale:
                continue
            if retry.due_at > now:
                self._alarm.set(retry.due_at)
                return
            await self._take(retry)
        if len(found) == limit:
            self._alarm.set(now)

    async def _take(self, retry: Retry) -> None:
        record = await self._record_of(retry)
        self._settler.expect(retry.offset)
        if record is None:
            self._settler.put(retry.offset, Verdict(Outcome.EXPIRED))
        else:
            event = make_event(record, unpack(record.value), self._region)
            self.items.append(Item(event, record, retry.tries, retry.first_at))

    async def _record_of(self, retry: Retry) -> Record | None:
        if retry.key is not None and retry.value is not None:
            return Record(retry.offset, retry.key, retry.value)
        return await self._log.get(retry.offset)
