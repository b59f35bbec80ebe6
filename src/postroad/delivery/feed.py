"""What an account has to do next: retries that are due, and the records after its cursor."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final

from postroad.clock import MICROSECONDS, Clock
from postroad.contract.stored import unpack
from postroad.delivery.items import Item, make_event
from postroad.delivery.routing import Route, filter_of
from postroad.delivery.settler import Settler
from postroad.delivery.window import Window
from postroad.destinations.base import Destination
from postroad.ledger.base import Account, Ledger, Outcome, Retry
from postroad.log.base import Block, LogReader, Record, offset_of

READ_BYTES: Final = 1024 * 1024
"""How much of the log is taken at a time."""

MOST_RETRYING: Final = 10_000
"""Records that may wait for another try before no new ones are tried: a dead destination's backlog stays
in the log, where it costs nothing."""

_RETRIES_AT_A_TIME: Final = 256


class Feed:
    """Hands out the items of one account, one at a time; settles what is filtered without handing it out."""

    def __init__(
        self,
        *,
        account: Account,
        route: Route,
        destination: Destination,
        log: LogReader,
        ledger: Ledger,
        settler: Settler,
        window: Window,
        clock: Clock,
        region: str,
    ) -> None:
        self._account = account
        self._route = route
        self._destination = destination
        self._log = log
        self._ledger = ledger
        self._settler = settler
        self._window = window
        self._clock = clock
        self._region = region
        self._head = account.cursor
        self._fresh: deque[Item] = deque()
        self._due: deque[Item] = deque()
        self._busy: set[int] = set()
        self._resume_below: int | None = None
        self._full = False
        self._turn = 0
        self.poked = asyncio.Event()
        """Set it when the ledger changed behind the feed's back: a dead letter was resent."""

    async def next(self) -> Item:
        """Return the next item, waiting for one if there is none. Retries and new records take turns."""
        while True:
            self.poked.clear()
            if not self._due:
                await self._read_retries()
            if not self._fresh:
                await self._read_log()
            item = self._pick()
            if item is not None:
                self._busy.add(item.record.offset)
                return item
            await self._wait()

    def done(self, item: Item) -> None:
        """The item's outcome was put: it may be handed out again when it is due."""
        self._busy.discard(item.record.offset)

    def _pick(self) -> Item | None:
        self._turn += 1
        first, second = (self._due, self._fresh) if self._turn % 2 else (self._fresh, self._due)
        queue = first or second
        return queue.popleft() if queue else None

    async def _wait(self) -> None:
        """Return when the log grows, a retry falls due, or somebody pokes."""
        waiting: list[asyncio.Task[object]] = [asyncio.create_task(self.poked.wait())]
        if not self._full:
            waiting.append(asyncio.create_task(self._log.wait(self._head)))
        due_at = await self._ledger.next_due(self._account.number)
        if due_at is not None:
            seconds = max((due_at - self._clock.now()) / MICROSECONDS, 0.01)
            waiting.append(asyncio.create_task(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _read_retries(self) -> None:
        found = await self._ledger.retries(
            self._account.number, due_at=self._clock.now(), limit=_RETRIES_AT_A_TIME + len(self._busy)
        )
        for retry in found:
            if retry.offset in self._busy or self._settler.pending(retry.offset):
                continue
            record = await self._record_of(retry)
            if record is None:
                self._settler.put(retry.offset, Outcome.EXPIRED)
            else:
                event = make_event(record, unpack(record.value), self._region)
                self._due.append(Item(event, record, retry.tries, retry.first_at))

    async def _record_of(self, retry: Retry) -> Record | None:
        if retry.value is not None:
            return Record(retry.offset, retry.key or b"", retry.value)
        return await self._log.get(retry.offset)

    async def _read_log(self) -> None:
        totals = await self._ledger.totals(self._account.number)
        self._full = totals.get(Outcome.RETRY, 0) >= MOST_RETRYING
        if self._full:
            return
        await self._settler.room()
        if self._resume_below is None:
            self._resume_below = await self._log.end()
        for block in await self._log.read(self._head, READ_BYTES):
            if self._account.end is not None and block.start >= self._account.end:
                return
            self._head = block.end
            done = b""
            if block.start < self._resume_below:  # an earlier run may have settled some of it
                done = await self._ledger.outcomes(self._account.number, block.number)
            self._window.add(block.number, len(block.records))
            self._fresh.extend(self._open(block, done))

    def _open(self, block: Block, done: bytes) -> Iterator[Item]:
        for position, record in enumerate(block.records):
            offset = offset_of(block.number, position)
            if (position < len(done) and done[position] != Outcome.PENDING) or offset < self._account.start:
                self._window.settle(offset)
                continue
            stored = unpack(record.value)
            event = make_event(record, stored, self._region)
            rule = filter_of(self._route, stored)
            if rule is None and not self._destination.takes(event):
                rule = Outcome.FILTERED_UNSUPPORTED
            if rule is None:
                yield Item(event, record, 0, 0)
            else:
                self._settler.put(record.offset, rule)
