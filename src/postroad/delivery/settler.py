"""Writing outcomes into the ledger: what ends while one transaction is written shares the next."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

from postroad.clock import Clock
from postroad.delivery.window import Window
from postroad.errors import StoreUnavailable
from postroad.ledger.base import Attempt, DeadLetter, Ledger, Outcome, Retry, Settlement
from postroad.log.base import number_of

FULL: Final = 20_000
"""Outcomes that may wait for the ledger before the loop stops reading."""

_AGAIN_AFTER: Final = 1.0


@dataclass
class _Draft:
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    retries: list[Retry] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)


class Settler:
    """Collects the outcomes of one account and settles them; nothing is forgotten while the ledger can't write."""

    def __init__(self, account: int, window: Window, ledger: Ledger, clock: Clock) -> None:
        self._account = account
        self._window = window
        self._ledger = ledger
        self._clock = clock
        self._logger = structlog.get_logger("postroad.delivery")
        self._draft = _Draft()
        self._writing = _Draft()
        self._work = asyncio.Event()
        self._clean = asyncio.Event()
        self._clean.set()
        self._room = asyncio.Event()
        self._room.set()

    def put(
        self,
        offset: int,
        outcome: Outcome,
        *,
        retry: Retry | None = None,
        dead: DeadLetter | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        """Note one outcome; it is durable after a later `drained`."""
        draft, number = self._draft, number_of(offset)
        draft.outcomes[offset] = outcome
        if number not in draft.sizes:
            size = self._window.size_of(number)
            if size is not None:
                draft.sizes[number] = size
        if retry is not None:
            draft.retries.append(retry)
        if dead is not None:
            draft.dead.append(dead)
        if attempt is not None:
            draft.attempts.append(attempt)
        self._window.settle(offset)
        self._work.set()
        self._clean.clear()
        if len(draft.outcomes) >= FULL:
            self._room.clear()

    def pending(self, offset: int) -> bool:
        """Tell whether this record has an outcome that is not durable yet."""
        return offset in self._draft.outcomes or offset in self._writing.outcomes

    async def room(self) -> None:
        """Return once there is room for more outcomes."""
        await self._room.wait()

    async def drained(self) -> None:
        """Return once all that was put is durable."""
        await self._clean.wait()

    async def run(self) -> None:
        """Settle for ever."""
        while True:
            await self._work.wait()
            self._work.clear()
            self._writing, self._draft = self._draft, _Draft()
            self._room.set()
            await self._write(self._writing)
            self._writing = _Draft()
            if not self._draft.outcomes:
                self._clean.set()

    async def _write(self, draft: _Draft) -> None:
        settlement = Settlement(
            outcomes=draft.outcomes,
            sizes=draft.sizes,
            cursor=self._window.cursor,
            retries=draft.retries,
            dead=draft.dead,
            attempts=draft.attempts,
        )
        while True:
            try:
                await self._ledger.settle(self._account, settlement)
            except StoreUnavailable as error:
                self._logger.warning("the ledger can't be written; deliveries wait", reason=str(error))
                await self._clock.sleep(_AGAIN_AFTER)
            else:
                return
