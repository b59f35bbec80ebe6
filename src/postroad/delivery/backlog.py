"""The records after an account's cursor: read off the log, routed, and made into items."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from postroad.delivery.items import Item
from postroad.delivery.parts import Parts
from postroad.delivery.verdict import Verdict
from postroad.ledger.base import Outcome
from postroad.log.base import Block, Record, offset_of

READ_BYTES: Final = 256 * 1024
"""How much of the log is taken at a time."""


class Backlog:
    """Reads on when no item is left, and settles filtered records without handing them out.

    `holds` tells of an offset whether its record is to be left out: a frozen batch has it, or it was sent as a probe
    ahead of its turn. Reading goes on however many retries wait: each of them costs a row in the ledger.
    """

    def __init__(self, parts: Parts, holds: Callable[[int], bool]) -> None:
        self._account = parts.account
        self._holds = holds
        self._router = parts.router
        self._losses = parts.losses
        self._log = parts.log
        self._ledger = parts.ledger
        self._settler = parts.settler
        self._progress = parts.progress
        self._alarm = parts.alarm
        self._head = parts.account.cursor
        self._new_ground = False
        self._growth: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        self.items: deque[Item] = deque()
        """Read, and not handed out yet."""
        self.ended = False
        """Whether all records up to the account's end were read."""

    async def read(self) -> None:
        """Read on, unless there are items left or the log has not grown."""
        if self.items or self.ended or (self._growth is not None and not self._growth.done()):
            return
        if self._growth is not None:
            growth, self._growth = self._growth, None
            growth.result()
        await self._settler.room()
        async with self._reading:
            if not await self._read_on():
                self._growth = asyncio.create_task(self._log.wait(self._head))
                self._growth.add_done_callback(lambda _: self._alarm.ring())
            elif not self.items:
                self._alarm.ring()  # every record was settled unsent: read on, since no send will end and ring

    async def expire(self, before: int) -> None:
        """Let everything below an offset expire that was not handed out yet."""
        async with self._reading:
            while self.items and self.items[0].record.offset < before:
                self._settler.put(self.items.popleft().record.offset, Verdict(Outcome.EXPIRED))
            while not self.items and self._head < before and not self.ended:
                await self._settler.room()
                if not await self._read_on(expired_below=before):
                    return

    @property
    def head(self) -> int:
        """The offset up to which the log was read."""
        return self._head

    def close(self) -> None:
        """Stop watching the log."""
        if self._growth is not None:
            self._growth.cancel()

    async def _read_on(self, expired_below: int = 0) -> bool:
        """Read the next blocks; False when there are none now."""
        end = self._account.end
        found = await self._log.read(self._head, READ_BYTES)
        blocks = found if end is None else [block for block in found if block.start < end]
        if not blocks:
            self.ended = end is not None and (bool(found) or self._head >= end or await self._log.end() >= end)
            if self.ended and end is not None:
                self._progress.pass_to(end)
            return self.ended
        settled = await self._settled(blocks)
        for block in blocks:
            await self._open(block, settled.get(block.number, b""), expired_below)
        self._settler.note_progress()
        return True

    async def _settled(self, blocks: Sequence[Block]) -> Mapping[int, bytes]:
        """Return the outcomes that an earlier run settled in these blocks, by block number."""
        if self._new_ground:
            return {}
        found: dict[int, bytes] = {}
        after, last = blocks[0].number - 1, blocks[-1].number
        while page := await self._ledger.blocks(self._account.number, after=after, limit=len(blocks)):
            found.update(page)
            after = page[-1][0]
            if after >= last or len(page) < len(blocks):
                break  # outcomes inside of a lost stretch are the only ones that take more than one page
        self._new_ground = not found
        return found

    async def _open(self, block: Block, settled: bytes, expired_below: int) -> None:
        """Take up one block."""
        if block.lost:
            await self._losses.meet(block)
            end = self._account.end
            self._progress.pass_to(block.end if end is None else min(block.end, end))
        self._head = block.end
        if block.records:
            self._progress.add(block.number, len(block.records))
        for position, record in enumerate(block.records):
            if position < len(settled) and settled[position] != Outcome.PENDING:
                self._progress.settle(offset_of(block.number, position))
            elif not self._holds(record.offset):
                item = await self._take(record, expired_below)
                if isinstance(item, Item):
                    self.items.append(item)
                else:
                    self._settler.put(record.offset, item)

    async def _take(self, record: Record, expired_below: int) -> Item | Verdict:
        account = self._account
        if record.offset < account.start or (account.end is not None and record.offset >= account.end):
            return Verdict(Outcome.OUT_OF_ACCOUNT)
        return Verdict(Outcome.EXPIRED) if record.offset < expired_below else await self._router.new(record)
