"""Writing outcomes into the ledger: all outcomes that come while one transaction is written share the next."""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

import structlog

from postroad.clock import Clock
from postroad.delivery.alarm import Alarm
from postroad.delivery.progress import Progress
from postroad.delivery.verdict import Verdict
from postroad.errors import StoreError
from postroad.ledger.base import Attempt, DeadLetter, Ledger, Outcome, RetryRow, Settlement
from postroad.log.base import BLOCK_SPAN

FULL: Final = 8 * 1024 * 1024
"""Bytes of outcomes, about, that may wait for the ledger before the loop stops reading."""

_OUTCOME_BYTES: Final = 400
_AGAIN_AFTER: Final = 1.0


@dataclass
class _Draft:
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    retries: list[RetryRow] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    weight: int = 0


class Settler:
    """Collects the outcomes of one account and settles them; nothing is forgotten while the ledger can't write."""

    def __init__(self, account: int, *, progress: Progress, ledger: Ledger, alarm: Alarm, clock: Clock) -> None:
        self._account = account
        self._progress = progress
        self._ledger = ledger
        self._alarm = alarm
        self._clock = clock
        self._logger = structlog.get_logger("postroad.delivery")
        self._draft = _Draft()
        """What the next transaction gets."""
        self._writing = _Draft()
        """What the transaction under way has; empty when there is none."""
        self._expected: set[int] = set()
        self._work = asyncio.Event()
        self._clean = asyncio.Event()
        self._clean.set()
        self._ended = False
        self._written_to = progress.cursor
        self._room = asyncio.Event()
        self._room.set()
        self.settlements = 0
        """How many are durable."""

    def expect(self, offset: int) -> None:
        """Note that this retry is being tried: until its outcome is durable, its row in the ledger is stale."""
        self._expected.add(offset)

    def unexpect(self, offset: int) -> None:
        """Note that this retry is not being tried after all."""
        self._expected.discard(offset)

    def put(self, offset: int, verdict: Verdict) -> None:
        """Note one outcome; it is durable after a later `drained`."""
        draft = self._draft
        if verdict.retry is not None:
            draft.retries.append(verdict.retry)
        if verdict.dead is not None:
            draft.dead.append(verdict.dead)
            draft.weight += len(verdict.dead.value)
        if verdict.attempt is not None:
            draft.attempts.append(verdict.attempt)
            draft.weight += len(verdict.attempt.answer)
        self._put([offset], verdict.outcome)

    def put_delivered(self, offsets: Sequence[int]) -> None:
        """Note many deliveries at once."""
        if offsets:
            self._put(offsets, Outcome.DELIVERED)

    def _put(self, offsets: Sequence[int], outcome: Outcome) -> None:
        draft, settle = self._draft, self._progress.settle
        draft.weight += _OUTCOME_BYTES * len(offsets)
        for offset in offsets:
            draft.outcomes[offset] = outcome
            settle(offset)
        for number in {offset // BLOCK_SPAN for offset in offsets} - draft.sizes.keys():
            size = self._progress.size_of(number)
            if size is not None:
                draft.sizes[number] = size
        self._work.set()
        if not self._ended:
            self._clean.clear()
            if draft.weight >= FULL:
                self._room.clear()

    def note_progress(self) -> None:
        """Note that blocks were read whose records all had outcomes: the cursor moves without a new outcome."""
        if self._progress.cursor > self._written_to and self.idle:
            self._work.set()
            if not self._ended:
                self._clean.clear()

    @property
    def idle(self) -> bool:
        """Whether every outcome that was put is durable."""
        return not self._draft.outcomes and not self._writing.outcomes

    def stale(self) -> AbstractSet[int]:
        """Return the offsets whose rows in retry, if they have one, are about to change."""
        rows = [*self._draft.retries, *self._writing.retries]
        return self._expected.union(row.offset for row in rows)

    def is_stale(self, offset: int) -> bool:
        """Tell whether this record is being tried, or has an outcome that is not durable yet."""
        return offset in self._expected or offset in self._draft.outcomes or offset in self._writing.outcomes

    async def room(self) -> None:
        """Return once there is room for more outcomes, or `run` has ended."""
        await self._room.wait()

    async def drained(self) -> None:
        """Return once every outcome that was put is durable, or `run` has ended."""
        await self._clean.wait()

    async def run(self) -> None:
        """Settle for ever."""
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                self._writing, self._draft = self._draft, _Draft()
                self._room.set()
                await self._write(self._writing)
                self._finish()
        finally:
            self._ended = True
            self._clean.set()
            self._room.set()

    def _finish(self) -> None:
        written, self._writing = self._writing, _Draft()
        self.settlements += 1
        if self._expected:
            self._expected.difference_update(written.outcomes)
        if written.retries:
            self._alarm.set(min(row.due_at for row in written.retries))
        if written.dead:
            self._alarm.set(0)  # one may have been resent while its row still passed for stale
        self._alarm.ring()
        if not self._draft.outcomes:
            self._clean.set()

    async def _write(self, draft: _Draft) -> None:
        cursor = self._progress.cursor
        settlement = Settlement(
            outcomes=draft.outcomes,
            sizes=draft.sizes,
            cursor=cursor,
            retries=draft.retries,
            dead=draft.dead,
            attempts=draft.attempts,
        )
        failing = False
        while True:
            try:
                await self._ledger.settle(self._account, settlement)
            except StoreError as error:
                if not failing:
                    self._logger.warning("the ledger can't be written; outcomes wait", reason=str(error))
                failing = True
                await self._clock.sleep(_AGAIN_AFTER)
            else:
                self._written_to = cursor
                return
