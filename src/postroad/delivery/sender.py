"""One send and what follows from it: halves of a batch that is too large, verdicts, and what the breaker hears."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

import structlog

from postroad.delivery.breaker import Breaker
from postroad.delivery.frozen import FrozenBatches
from postroad.delivery.items import Batch, Item
from postroad.delivery.parts import Parts
from postroad.delivery.plan import Plan
from postroad.delivery.probes import Suspects, label_of
from postroad.delivery.rate import RateLimit
from postroad.delivery.reports import Reports
from postroad.delivery.schedule import in_words
from postroad.delivery.verdict import judge, put_back
from postroad.destinations.base import Delivered, Destination, Event, Pause, Refused, Retry, SendResult, Split

_GRACE = 5.0
"""Seconds beyond its own timeout after which a send is cut off all the same."""

_OUTCOMES: Final = frozenset({Delivered, Retry, Refused, Split, Pause})


class Sender:
    """Sends batches to one destination, several at a time."""

    def __init__(
        self,
        plan: Plan,
        destination: Destination,
        parts: Parts,
        *,
        breaker: Breaker,
        rate: RateLimit,
        frozen: FrozenBatches,
        suspects: Suspects,
    ) -> None:
        self._plan = plan
        self._destination = destination
        self._breaker = breaker
        self._rate = rate
        self._frozen = frozen
        self._suspects = suspects
        self._flow = parts.flow
        self._settler = parts.settler
        self._clock = parts.clock
        self._logger = structlog.get_logger("postroad.delivery").bind(
            destination=plan.destination, region=plan.region, account=parts.account.number
        )
        self._reports = Reports(self._logger)

    def hold(self, sentence: str) -> None:
        """Let nothing more be sent, and nothing grow older; what is under way ends."""
        self._breaker.hold(sentence)
        self._flow.stop(self._looked())

    def release(self) -> None:
        """Go on."""
        self._breaker.release()
        self._changed(self._clock.monotonic())

    async def deliver(self, batch: Batch, era: int) -> None:
        """Send a batch and settle its events; `era` is what `Breaker.start` returned for this send."""
        batch = await self._frozen.freeze(batch)
        if batch.frozen is not None:
            await self._deliver_frozen(batch, era)
            return
        parts = [batch.items]  # a stack, so that events are sent in order
        while parts:
            part = parts.pop()
            again = self._settle(part, await self._try(part, era))
            middle = (len(again) + 1) // 2
            parts += [half for half in (again[middle:], again[:middle]) if half]
            if parts and self._breaker.closed:
                await self._rate.turn(len(parts[-1]))
            if parts and not self._breaker.closed:  # asked once more: it may have opened in that wait
                self._put_back([item for rest in parts for item in rest])
                return
            if parts:
                era = self._breaker.start()

    async def _deliver_frozen(self, batch: Batch, era: int) -> None:
        """Send a batch that stays together: none of it is settled while any of it needs another try."""
        frozen, items = batch.frozen, batch.items
        assert frozen is not None  # noqa: S101 -- the caller has just seen to it
        tried = await self._try(items, era)
        if any(isinstance(one, Split) for _, one in tried) and len(items) > 1:
            await self._frozen.halve(frozen)
            return
        now, chance = self._clock.now(), random.random()  # noqa: S311 -- spreads retries
        verdicts = [judge(one, item, self._plan.retry, now, lambda: chance) for item, one in tried]
        waits = next((verdict.retry for verdict in verdicts if verdict.retry is not None), None)
        if waits is not None:
            await self._frozen.put_off(frozen, waits)
            return
        for item, verdict in zip(items, verdicts, strict=True):
            self._settler.put(item.record.offset, verdict)

    def _settle(self, part: Sequence[Item], tried: Sequence[tuple[Item, SendResult]]) -> list[Item]:
        """Write down what came of each event; returns those to be sent again in smaller batches."""
        again, delivered = [], []
        now, policy = self._clock.now(), self._plan.retry
        for item, outcome in tried:
            kind = type(outcome)
            if kind is Delivered:
                delivered.append(item.record.offset)
            elif kind is Split and len(part) > 1:
                again.append(item)
            else:
                self._settler.put(item.record.offset, judge(outcome, item, policy, now, random.random))
        self._settler.put_delivered(delivered)
        return again

    def _put_back(self, items: Sequence[Item]) -> None:
        now = self._clock.now()
        for item in items:
            self._settler.put(item.record.offset, put_back(item, self._breaker.why, now))

    async def _try(self, items: Sequence[Item], era: int) -> Sequence[tuple[Item, SendResult]]:
        """Send once, and tell the breaker. A failure while the breaker is not closed is not held against the
        events: it becomes a `Pause`.
        """
        now = self._looked()
        fresh = not any(item.since for item in items)
        items = [item.sent(now, self._flow) for item in items]
        answer = await self._send([item.event for item in items])
        counts = self._breaker.closed
        is_its_own = self._tell(answer, era, items, fresh=fresh)
        if isinstance(answer, Retry):
            again: SendResult = Split(answer.why) if len(items) > 1 else answer
            answer = [again] * len(items)
        if not counts:
            answer = [Pause(one.why, one.status, one.answer) if isinstance(one, Retry) else one for one in answer]
        if not is_its_own:
            answer = [one if isinstance(one, Delivered) else Pause(one.why, one.status, one.answer) for one in answer]
        return list(zip(items, answer, strict=True))

    def _looked(self) -> int:
        """Return the wall clock's time, once it is known whether somebody set it."""
        now = self._clock.now()
        self._flow.look(now, self._clock.monotonic())
        return now

    def _tell(self, answer: Sequence[SendResult] | Retry, era: int, items: Sequence[Item], *, fresh: bool) -> bool:
        """Tell breaker and suspects whether a send failed as a whole, was paused, refused, or reached the destination.

        Returns False for a refusal that is not the event's own.
        """
        now, word, is_its_own = self._clock.monotonic(), self._breaker.word, True
        outcomes = [answer] if isinstance(answer, Retry) else answer
        kinds = set(map(type, outcomes))
        if Pause in kinds:
            why = next(one.why for one in outcomes if isinstance(one, Pause))
            self._breaker.paused(era, now, why)
        elif kinds == {Retry}:
            asked = [one.after for one in outcomes if isinstance(one, Retry) and one.after is not None]
            first = outcomes[0]
            why = first.why if isinstance(first, Retry) else ""
            if len(items) == 1:  # in a larger batch nobody knows which event made it fail
                self._suspects.add(label_of(items[0].record))
            self._breaker.failed(era, now, why, max(asked, default=None), fresh=fresh)
        elif (refusal := _refusal(outcomes)) is not None:
            self._suspects.add(label_of(items[0].record))
            is_its_own = self._breaker.refused(era, now, refusal.why, fresh=fresh)
        else:
            taken = zip(items, outcomes, strict=True)
            self._suspects.clear(item.record for item, one in taken if not isinstance(one, Retry))
            self._breaker.succeeded(era, fresh=fresh, delivered=Delivered in kinds)
        if is_its_own:
            self._report(outcomes, now)
        if self._breaker.word != word:
            self._changed(now)
        return is_its_own

    def _report(self, outcomes: Sequence[SendResult], now: float) -> None:
        refused = [
            one.why for one in outcomes if isinstance(one, Refused) or (isinstance(one, Split) and len(outcomes) == 1)
        ]
        if refused:
            self._reports.refused(len(refused), refused[-1])
        if any(isinstance(one, Delivered) for one in outcomes):
            self._reports.delivered(now)

    def _changed(self, now: float) -> None:
        wall = self._looked()
        if self._breaker.closed:
            self._flow.go(wall, false_alarm=self._breaker.false_alarm)
        else:
            self._flow.stop(wall)
        self._reports.changed(self._breaker, now)

    async def _send(self, events: Sequence[Event]) -> Sequence[SendResult] | Retry:
        """Send; where the destination's code goes wrong, one `Retry` stands for the whole: nothing is known of
        any event.
        """
        try:
            async with asyncio.timeout(self._plan.timeout + _GRACE):
                outcomes = await self._destination.send(events)
        except TimeoutError:
            return [Retry(f"no answer within {in_words(self._plan.timeout)}")] * len(events)
        except (Exception, asyncio.CancelledError) as error:
            if _is_cancelled(error):
                raise
            self._logger.exception("the destination raised; this is a bug in it")
            return Retry(f"the destination raised {type(error).__name__}")
        if not _answers(outcomes, events):
            self._logger.error("the destination gave wrong outcomes; this is a bug in it")
            return Retry("the destination gave the wrong number or kind of outcomes")
        return outcomes


def _refusal(outcomes: Sequence[SendResult]) -> Refused | Split | None:
    """Return the answer that refused a whole request: one that was about one event. What was refused without being
    asked about (no status), or by name out of a batch, is that event's own.
    """
    (first, *more) = outcomes
    return first if not more and isinstance(first, Refused | Split) and first.status else None


def _is_cancelled(error: BaseException) -> bool:
    """Tell our own cancellation from one that a destination let out."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _answers(outcomes: object, events: Sequence[Event]) -> bool:
    if not isinstance(outcomes, Sequence) or len(outcomes) != len(events):
        return False
    return _OUTCOMES.issuperset(map(type, outcomes))
