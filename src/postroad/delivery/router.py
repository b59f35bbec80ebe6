"""From a stored record to an item that is ready to be sent, or the verdict that it is not to be."""

from typing import Final

import structlog

from postroad.clock import Clock
from postroad.contract.stored import unpack
from postroad.delivery.items import Item, make_event
from postroad.delivery.plan import Plan, Shaping
from postroad.delivery.routing import filter_of
from postroad.delivery.verdict import Verdict, refuse
from postroad.destinations.base import Destination, Event
from postroad.ledger.base import FrozenBatch, Outcome, RetryRow
from postroad.log.base import Record

_ERASED: Final = Verdict(Outcome.ERASED)


class Router:
    """Filters, shapes, asks the destination: makes items of records, or verdicts on those that are not to be sent."""

    def __init__(self, plan: Plan, destination: Destination, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._destination = destination
        self._logger = structlog.get_logger("postroad.delivery").bind(destination=plan.destination)

    async def new(self, record: Record) -> Item | Verdict:
        """Take in a record that is read for the first time: by the configuration of this moment."""
        if record.is_erased:
            return _ERASED
        plan = self._plan
        stored = unpack(record.value)
        if plan.replay is not None and not plan.replay.claims(stored):
            return Verdict(Outcome.OUT_OF_ACCOUNT)
        rule = filter_of(plan.route, stored)
        if rule is not None:
            return Verdict(rule)
        item = Item(make_event(record, stored, plan.region, plan.form), record, 0, 0, form=plan.form)
        if plan.shape is None:
            return item if self._takes(item.event) else Verdict(Outcome.FILTERED_UNSUPPORTED)
        return await self._shaped(item, plan.shape)

    async def again(self, record: Record, row: RetryRow) -> Item | Verdict:
        """Take in a record whose retry is due: by the configuration of this moment too."""
        if not record.is_erased and (rule := filter_of(self._plan.route, unpack(record.value))) is not None:
            return Verdict(rule)
        item = await self.unchanged(record, row)
        if isinstance(item, Item) and self._plan.shape is None and not self._takes(item.event):
            return Verdict(Outcome.FILTERED_UNSUPPORTED)
        return item

    async def unchanged(self, record: Record, row: RetryRow | FrozenBatch) -> Item | Verdict:
        """Take in a record that was tried before. The form of its key was decided then, and so was its route where it
        is of a frozen batch; its shape is made anew.
        """
        if record.is_erased:
            return _ERASED
        event = make_event(record, unpack(record.value), self._plan.region, row.form)
        item = Item(event, record, row.tries, row.first_at, row.due_at, row.form)
        return item if self._plan.shape is None else await self._shaped(item, self._plan.shape)

    async def _shaped(self, item: Item, shape: Shaping) -> Item | Verdict:
        try:
            event = await shape(item.event)
        except Exception as error:
            self._logger.exception("shaping an event raised; this is a bug", offset=item.event.offset)
            event = f"shaping the event raised {type(error).__name__}"
        if event is None:
            return Verdict(Outcome.FILTERED_TRANSFORM)
        if isinstance(event, str):
            return refuse(item, event, self._clock.now())
        return item._replace(event=event) if self._takes(event) else Verdict(Outcome.FILTERED_UNSUPPORTED)

    def _takes(self, event: Event) -> bool:
        if event.kind in self._plan.unsupported:
            return False
        try:
            return self._destination.takes(event)
        except Exception:
            self._logger.exception("the destination raised; this is a bug in it", offset=event.offset)
            return True  # to drop an event is worse than to try it
