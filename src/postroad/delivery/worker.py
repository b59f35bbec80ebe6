"""The loop of one destination: take what is next, send it, write down what became of it.

Each destination has its own worker, cursor, connections and retries, so one that hangs or fails holds up
nobody else. At most `concurrency` sends are under way at a time.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from postroad.clock import Clock
from postroad.delivery.alarm import Alarm
from postroad.delivery.backlog import Backlog
from postroad.delivery.feed import Feed
from postroad.delivery.items import Item
from postroad.delivery.retries import Retries
from postroad.delivery.routing import Route
from postroad.delivery.schedule import RetryPolicy
from postroad.delivery.settler import Settler
from postroad.delivery.verdict import judge
from postroad.delivery.window import Window
from postroad.destinations.base import Destination, Event, Outcome, Pause, Retry
from postroad.errors import StoreError
from postroad.ledger.base import Account, Ledger
from postroad.log.base import LogReader

_AGAIN_AFTER = 1.0
_GRACE = 5.0
"""Seconds beyond its own timeout after which a send is cut off all the same."""


class Plan(NamedTuple):
    """How one destination is served; `timeout` in seconds."""

    destination: str
    region: str
    route: Route
    retry: RetryPolicy
    concurrency: int
    timeout: float


class Worker:
    """Serves one account until it is stopped. Made inside a running event loop; runs once."""

    def __init__(
        self,
        plan: Plan,
        account: Account,
        destination: Destination,
        *,
        log: LogReader,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._plan = plan
        self._destination = destination
        self._clock = clock
        alarm, window = Alarm(clock), Window(account.cursor)
        settler = Settler(account.number, window=window, ledger=ledger, alarm=alarm, clock=clock)
        retries = Retries(
            account.number, plan.region, log=log, ledger=ledger, settler=settler, alarm=alarm, clock=clock
        )
        backlog = Backlog(
            account,
            plan.region,
            route=plan.route,
            destination=destination,
            log=log,
            ledger=ledger,
            settler=settler,
            window=window,
            alarm=alarm,
        )
        self._settler = settler
        self._feed = Feed(retries, backlog, alarm)
        self._slots = asyncio.Semaphore(plan.concurrency)
        self._sends: set[asyncio.Task[None]] = set()
        self._bug: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pauses = 0
        self._resume_at = 0.0  # monotonic: a pause must not depend on a wall clock that is set
        self.state = "running"
        """For people: `running`, `paused: why` or `waiting: why`."""
        self._logger = structlog.get_logger("postroad.delivery").bind(destination=plan.destination, region=plan.region)

    def poke(self) -> None:
        """Look for due retries now: a dead letter was resent."""
        self._feed.look_again()

    async def run(self) -> None:
        """Deliver until cancelled; then let what is under way end (within the send's timeout) and settle it.

        Ends in the same order, and raises, only for a bug.
        """
        settling, looping = asyncio.create_task(self._settler.run()), asyncio.create_task(self._loop())
        try:
            await asyncio.wait([settling, looping, self._bug], return_when=asyncio.FIRST_COMPLETED)
        finally:
            looping.cancel()
            self._feed.close()
            if self._sends:
                await asyncio.wait(self._sends)
            await self._settler.drained()
            settling.cancel()
            await asyncio.wait([settling, looping])
            await self._close()
        for part in (settling, looping, self._bug):
            if part.done() and not part.cancelled():
                part.result()  # none ends but by a bug, which whoever runs us must see

    async def _close(self) -> None:
        try:
            await self._destination.close()
        except Exception:
            self._logger.exception("the destination raised when it was closed; this is a bug in it")

    async def _loop(self) -> None:
        while True:
            await self._slots.acquire()
            item = await self._next()
            await self._until_resumed()  # not sooner: a pause may begin while there is no item
            self._start(item)

    async def _until_resumed(self) -> None:
        while self._resume_at > self._clock.monotonic():
            await self._clock.sleep(self._resume_at - self._clock.monotonic())

    async def _next(self) -> Item:
        while True:
            try:
                return await self._feed.next()
            except StoreError as error:
                self._logger.warning("the log or the ledger can't be read; deliveries wait", reason=str(error))
                self.state = f"waiting: {error}"
                await self._clock.sleep(_AGAIN_AFTER)
                self.state = "running"
                self._feed.look_again()

    def _start(self, item: Item) -> None:
        task = asyncio.create_task(self._deliver(item))
        self._sends.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        self._slots.release()
        if not task.cancelled() and (bug := task.exception()) and not self._bug.done():
            self._bug.set_exception(bug)  # its event has no outcome and would be owed for ever

    async def _deliver(self, item: Item) -> None:
        tried = (await self._send((item.event,)))[0]
        self._note_pause(tried)
        self._settler.put(item.record.offset, judge(tried, item, self._plan.retry, self._clock.now(), random.random))

    async def _send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        """Send; whatever goes wrong in the destination's code is a retry."""
        try:
            async with asyncio.timeout(self._plan.timeout + _GRACE):
                outcomes = await self._destination.send(events)
        except TimeoutError:
            return [Retry(f"no answer within {self._plan.timeout:g} s")] * len(events)
        except (Exception, asyncio.CancelledError) as error:
            if _is_cancelled(error):
                raise
            self._logger.exception("the destination raised; this is a bug in it")
            return [Retry(f"the destination raised {type(error).__name__}")] * len(events)
        if not _answers(outcomes, events):
            self._logger.error("the destination gave wrong outcomes; this is a bug in it")
            return [Retry("the destination gave the wrong number or kind of outcomes")] * len(events)
        return outcomes

    def _note_pause(self, tried: Outcome) -> None:
        if self._resume_at > self._clock.monotonic():
            return  # sends that were under way when the pause began
        if not isinstance(tried, Pause):
            self._pauses = 0
            self.state = "running"
            return
        policy = self._plan.retry
        self._pauses += 1
        wait = min(policy.first * policy.factor ** min(self._pauses - 1, 16), policy.max_interval, 300.0)
        self._resume_at = self._clock.monotonic() + wait
        self.state = f"paused: {tried.why}"
        self._logger.warning("paused", why=tried.why, seconds=wait)


def _is_cancelled(error: BaseException) -> bool:
    """Tell our own cancellation from one that a destination let out."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _answers(outcomes: object, events: Sequence[Event]) -> bool:
    if not isinstance(outcomes, Sequence) or len(outcomes) != len(events):
        return False
    return all(isinstance(outcome, Outcome) for outcome in outcomes)
