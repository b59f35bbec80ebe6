"""Choosing what to try first while a destination fails: an event unlike those that failed, from anywhere in the log.

A destination may fail for one kind of event only. Thousands of those in a row must not keep the first of another
kind waiting, so a probe is looked for ahead, a bounded stretch at a time, and sent before its turn.
"""

from collections.abc import Callable, Iterable
from typing import Final

from postroad.contract.stored import unpack
from postroad.delivery.backlog import READ_BYTES, Backlog
from postroad.delivery.items import Item
from postroad.delivery.parts import Parts
from postroad.ledger.base import Outcome
from postroad.log.base import Block, Record, position_of

READS: Final = 4
"""How many reads of the log one probe may cost."""

_MOST_SUSPECTS: Final = 256


def label_of(record: Record) -> str:
    """Return what tells kinds of events apart: the event's name, or which call it was."""
    stored = unpack(record.value)
    return stored.name or stored.type.wire


class Suspects:
    """The labels of events that failed since a send last succeeded."""

    def __init__(self) -> None:
        self._labels: set[str] = set()
        self._far = False
        self.mistakes = 0
        """How often an event succeeded whose like had failed: those that were passed over for it may be good."""

    def add(self, label: str) -> None:
        """Note a failure. With 256 labels it is no matter of labels any more, and further ones are not noted."""
        if len(self._labels) < _MOST_SUSPECTS:
            self._labels.add(label)

    def clear(self, taken: Iterable[Record]) -> None:
        """Note a success of these."""
        if self._labels and any(self.has(record) for record in taken):
            self.mistakes += 1
        self._labels.clear()
        self._far = False

    def has(self, record: Record) -> bool:
        """Tell whether an event like this one failed."""
        return label_of(record) in self._labels

    def try_far(self) -> bool:
        """Tell, where all are alike, whether to try one from far ahead: the first time, and every second one after."""
        self._far = not self._far
        return self._far


class ProbeFinder:
    """Looks ahead of one account's backlog. `holds` tells of a record whether a frozen batch has it."""

    def __init__(self, parts: Parts, suspects: Suspects, holds: Callable[[int], bool]) -> None:
        self._account = parts.account
        self._log = parts.log
        self._ledger = parts.ledger
        self._router = parts.router
        self._progress = parts.progress
        self._suspects = suspects
        self._holds = holds
        self._ahead: set[int] = set()
        self._at = 0
        self._mistakes = 0

    def holds(self, offset: int) -> bool:
        """Tell whether a record is to be left out of the backlog: it was sent as a probe, or a frozen batch has it."""
        return offset in self._ahead or self._holds(offset)

    async def find(self, backlog: Backlog) -> Item | None:
        """Take the next event out of the backlog, or out of the log behind it, that is unlike those that failed; None
        when a bounded look finds none. Where all are alike, every second time one from far ahead will do: it may be
        no matter of labels. Raises `StoreError` when the log or the ledger can't be read.

        A replay looks no further than its backlog: when it is stopped, it ends at its cursor.
        """
        for index, item in enumerate(backlog.items):
            if not self._suspects.has(item.record):
                del backlog.items[index]
                return item
        self._ahead = {offset for offset in self._ahead if offset >= backlog.head}
        if self._mistakes != self._suspects.mistakes:
            self._at, self._mistakes = 0, self._suspects.mistakes
        last: Block | None = None
        for _ in range(READS if self._account.end is None else 0):
            self._at = max(self._at, backlog.head)
            for block in await self._log.read(self._at, READ_BYTES):
                found = await self._look(block, backlog, self._suspects.has)
                if found is not None:
                    return found
                self._at, last = max(self._at, block.end), block
        if not self._suspects.try_far():
            return None
        if last is not None and (found := await self._look(last, backlog, lambda _: False)) is not None:
            return found
        return backlog.items.pop() if backlog.items else None

    async def _look(self, block: Block, backlog: Backlog, unwanted: Callable[[Record], bool]) -> Item | None:
        settled: bytes | None = None
        for record in block.records:
            offset = record.offset
            if not record.value or offset < self._account.start or self.holds(offset) or unwanted(record):
                continue
            if settled is None:
                settled = await self._ledger.outcomes(self._account.number, block.number)
            position = position_of(offset)
            if position < len(settled) and settled[position] != Outcome.PENDING:
                continue
            item = await self._router.new(record)
            if isinstance(item, Item) and offset >= backlog.head:  # else it was read, or expired, meanwhile
                self._progress.foresee(block.number, len(block.records))
                self._ahead.add(offset)
                return item
        return None
