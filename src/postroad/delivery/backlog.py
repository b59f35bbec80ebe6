"""The records after an account's cursor: read off the log, routed, and made into items."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import structlog

from postroad.contract.stored import unpack
from postroad.delivery.alarm import Alarm
from postroad.delivery.items import Item, make_event
from postroad.delivery.routing import Route, filter_of
from postroad.delivery.settler import Settler
from postroad.delivery.verdict import Verdict
from postroad.delivery.window import Window
from postroad.destinations.base import Destination, Event
from postroad.ledger.base import Account, LedgerReader, Outcome
from postroad.log.base import Block, LogReader, Record, offset_of

READ_BYTES: Final = 256 * 1024
"""How much of the log is taken at a time."""

MOST_RETRYING: Final = 10_000
"""Records that may wait for another try before no new ones are read: a dead destination's backlog stays
in the log, where it costs nothing."""


class Backlog:
    """Reads on when it has nothing left; settles what is filtered without handing it out."""

    def __init__(
        self,
        account: Account,
        region: str,
        *,
        route: Route,
        destination: Destination,
        log: LogReader,
        ledger: LedgerReader,
        settler: Settler,
        window: Window,
        alarm: Alarm,
    ) -> None:
        self._account = account.number
        self._region = region
        self._route = route
        self._destination = destination
        self._log = log
        self._ledger = ledger
        self._settler = settler
        self._window = window
        self._alarm = alarm
        self._head = account.cursor
        self._new_ground = False
        self._full_at: int | None = None
        self._growth: asyncio.Task[None] | None = None
        self._logger = structlog.get_logger("postroad.delivery")
        self.items: deque[Item] = deque()
        """Read, and not handed out yet."""

    async def read(self) -> None:
        """Read on, unless there are items left, the log has not grown or too many records are in retry."""
        if self.items or (self._growth is not None and not self._growth.done()):
            return
        if self._growth is not None:
            growth, self._growth = self._growth, None
            growth.result()
        if await self._is_full():
            return
        await self._settler.room()
        blocks = await self._log.read(self._head, READ_BYTES)
        if not blocks:
            self._growth = asyncio.create_task(self._log.wait(self._head))
            self._growth.add_done_callback(lambda _: self._alarm.ring())
            return
        settled = await self._settled(blocks)
        for block in blocks:
            self._head = block.end
            self._window.add(block.number, len(block.records))
            self.items.extend(self._open(block, settled.get(block.number, b"")))
        if not self.items:
            self._alarm.ring()  # all of it was settled: read on, nobody else may have a reason to ring

    def close(self) -> None:
        """Stop watching the log."""
        if self._growth is not None:
            self._growth.cancel()

    async def _is_full(self) -> bool:
        """Tell whether too many records are in retry; once they are, only another settlement can change it."""
        now = self._settler.settlements
        if self._full_at == now:
            return True
        unsettled = self._settler.retrying
        totals = await self._ledger.totals(self._account)
        full = totals.get(Outcome.RETRY, 0) + unsettled >= MOST_RETRYING
        self._full_at = now if full else None
        return full

    async def _settled(self, blocks: Sequence[Block]) -> Mapping[int, bytes]:
        """Return what an earlier run settled of these blocks."""
        if self._new_ground:
            return {}
        first = blocks[0].number
        found = await self._ledger.blocks(self._account, after=first - 1, limit=len(blocks))
        self._new_ground = not found
        return dict(found)

    def _open(self, block: Block, settled: bytes) -> Iterator[Item]:
        for position, record in enumerate(block.records):
            if position < len(settled) and settled[position] != Outcome.PENDING:
                self._window.settle(offset_of(block.number, position))
                continue
            item = self._route_record(record)
            if isinstance(item, Item):
                yield item
            else:
                self._settler.put(record.offset, Verdict(item))

    def _route_record(self, record: Record) -> Item | Outcome:
        stored = unpack(record.value)
        rule = filter_of(self._route, stored)
        if rule is not None:
            return rule
        event = make_event(record, stored, self._region)
        return Item(event, record, 0, 0) if self._takes(event) else Outcome.FILTERED_UNSUPPORTED

    def _takes(self, event: Event) -> bool:
        try:
            return self._destination.takes(event)
        except Exception:
            self._logger.exception("the destination raised; this is a bug in it", offset=event.offset)
            return True  # to drop an event is worse than to try it
