"""The loop of one account: take what is next, send it, write down what became of it.

Each destination has its own worker, cursor, connections and retries, so one that hangs or fails holds up
nobody else. At most `concurrency` sends are under way at a time, and none while the breaker is open.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from postroad.clock import Clock
from postroad.delivery.breaker import Breaker
from postroad.delivery.frozen import FrozenBatches
from postroad.delivery.items import Batch
from postroad.delivery.parts import make_parts
from postroad.delivery.plan import Plan
from postroad.delivery.probes import Suspects
from postroad.delivery.queue import Queue
from postroad.delivery.rate import RateLimit
from postroad.delivery.sender import Sender
from postroad.destinations.base import Destination
from postroad.errors import StoreError
from postroad.ledger.base import Account, Ledger, Settlement
from postroad.ledger.hold import Hold
from postroad.log.base import LogReader

Answer = TypeVar("Answer")

_AGAIN_AFTER = 1.0
"""Seconds until a store that failed is tried again."""
_CLOSING = 5.0
"""Seconds that a destination has to let its connections and files go."""


class Worker:
    """Serves one account until it is stopped or the account has come to its end. Made inside a running event
    loop; runs once, and closes the destination at its end.
    """

    _has_come_to_its_end = False

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
        self._account = account
        self._ledger = ledger
        self._clock = clock
        self._breaker = Breaker(plan.retry)
        self._rate = RateLimit(plan.rate, clock)
        parts = make_parts(plan, account, destination, log=log, ledger=ledger, clock=clock)
        self._progress, self._settler = parts.progress, parts.settler
        self._frozen = frozen = FrozenBatches(parts, plan.limits)
        suspects = Suspects()
        self._queue = Queue(
            parts,
            plan.limits,
            frozen=frozen,
            suspects=suspects,
            may_retry=lambda: self._retrying < max(1, plan.concurrency // 2),
        )
        self._sender = Sender(
            plan, destination, parts, breaker=self._breaker, rate=self._rate, frozen=frozen, suspects=suspects
        )
        self._destination = destination
        self._slots = asyncio.Semaphore(plan.concurrency)
        self._sends: set[asyncio.Task[None]] = set()
        self._retrying = 0
        """Sends of retries that are under way: half of all sends at most, since each may hang until its timeout."""
        self._alarm = parts.alarm
        self._held: Batch | None = None
        """The batch that waits for the rate limit."""
        self._bug: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._trouble = ""
        self._logger = structlog.get_logger("postroad.delivery").bind(destination=plan.destination, region=plan.region)

    @property
    def state(self) -> str:
        """For people: what `Breaker.state` says, or `waiting: why` (for a store)."""
        return f"waiting: {self._trouble}" if self._trouble else self._breaker.state(self._clock.monotonic())

    def poke(self) -> None:
        """Look for due retries now: a dead letter was resent."""
        self._queue.look_again()

    def hold(self, hold: Hold) -> None:
        """Read and send nothing more until `release`; what is under way ends."""
        self._sender.hold(hold.sentence)
        self._queue.held = True
        self._alarm.ring()

    def release(self) -> None:
        """Go on where a hold began."""
        self._sender.release()
        self._queue.held = False
        self._queue.look_again()
        self._alarm.ring()

    def try_now(self) -> None:
        """Send what can be sent now, without waiting for the next probe or a retry's time: `Ledger.hasten` was called.
        One event, while it is held.
        """
        self._breaker.hurry()
        self._frozen.hasten(self._clock.now())
        self._queue.look_again()
        self._alarm.ring()

    async def expire(self, before: int) -> None:
        """Let what is below an offset expire, unless it is being sent. Raises `StoreError`."""
        await self._frozen.load()  # before the queue, which must not let events of frozen batches expire one by one
        held = self._held
        if (
            held is not None and held.items and held.frozen is not None
        ):  # its items are gone when an earlier call took them back
            self._frozen.take_back(held.frozen)
            held.items.clear()
        await self._queue.expire(before, [] if held is None else held.items)
        await self._frozen.expire(before)

    async def run(self) -> None:
        """Deliver until cancelled; then let what is under way end (within the send's timeout) and settle it.
        Cancelled once more, it cuts the sends off: the next run sends their events again.

        Returns when the account has come to its end. Ends in the same order, and raises, for a bug.
        """
        settling, looping = asyncio.create_task(self._settler.run()), asyncio.create_task(self._loop())
        try:
            await asyncio.wait([settling, looping, self._bug], return_when=asyncio.FIRST_COMPLETED)
        finally:
            looping.cancel()
            self._queue.close()
            try:
                if self._sends:
                    await asyncio.wait(self._sends)
                await self._settler.drained()
            finally:  # cancelled once more, nobody waits for them any longer
                await self._end([settling, looping, *self._sends])
        for part in (settling, looping, self._bug):
            if part.done() and not part.cancelled():
                part.result()  # unless the account has ended, a part ends only by a bug: whoever runs us must see it

    async def _end(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_CLOSING)
        try:
            async with asyncio.timeout(_CLOSING):
                await self._destination.close()
        except TimeoutError:
            self._logger.warning("the destination couldn't be closed in time", seconds=_CLOSING)
        except Exception:
            self._logger.exception("the destination raised when it was closed; this is a bug in it")

    async def _loop(self) -> None:
        while True:
            await self._slots.acquire()
            batch = await self._probe() if self._breaker.held else await self._turn()
            if batch is None and self._has_come_to_its_end:
                return
            if batch is not None and batch.items:
                self._start(batch)
            else:
                self._slots.release()  # the whole batch expired while it was held, or the breaker has closed

    async def _turn(self) -> Batch | None:
        """Return the next batch when it may be sent, or a probe; None when there is nothing, or nothing ever more."""
        batch = await self._next()
        if batch is None:
            self._has_come_to_its_end = True
            return None
        self._held = batch
        if batch.items:
            await self._rate.turn(len(batch.items))
        self._held = None
        if batch.items and not self._breaker.closed:  # not asked sooner: it may open while there is no batch
            self._queue.put_back(batch)
            return await self._probe()
        return batch

    async def _probe(self) -> Batch | None:
        """Return what may be sent next while the breaker is open; None once it is closed, or there is nothing to send.

        Fresh events don't wait for the time of the next probe while only what failed before has failed.
        """
        self._queue.unload()
        while not self._breaker.closed:
            self._alarm.listen()
            wait, doubtful = self._breaker.wait(self._clock.monotonic()), self._breaker.doubtful
            if wait == 0 or doubtful:
                batch = await self._asked(partial(self._queue.probe, fresh=wait > 0))
                if batch is None:
                    self._breaker.dismiss()
                if batch is not None or wait == 0:
                    return batch
            await self._alarm.news(wait)
        return None

    async def _next(self) -> Batch | None:
        """Return the next batch; None when the account has come to its end."""
        while True:
            batch = await self._asked(self._queue.next)
            if batch is not None:
                return batch
            if await self._asked(self._has_ended):
                return None
            await self._queue.rest()

    async def _asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return what `ask` returns, calling it again each second while a store can't be read."""
        while True:
            try:
                answer = await ask()
                self._trouble = ""
                return answer  # noqa: TRY300 - the trouble ends with any answer
            except StoreError as error:
                if str(error) != self._trouble:  # else it was said already
                    self._logger.warning("the log or the ledger can't be read; deliveries wait", reason=str(error))
                self._trouble = str(error)
                await self._clock.sleep(_AGAIN_AFTER)
                self._queue.look_again()

    async def _has_ended(self) -> bool:
        """Tell whether an account with an end owes nothing any more; write that down in its cursor."""
        end, cursor = self._account.end, self._progress.cursor
        if end is None or cursor < end or not self._settler.idle:
            return False
        if await self._ledger.next_due(self._account.number) is not None:
            return False
        await self._ledger.settle(self._account.number, Settlement({}, {}, cursor=cursor))
        return True

    def _start(self, batch: Batch) -> None:
        again = not batch.fresh
        self._retrying += again
        task = asyncio.create_task(self._sender.deliver(batch, self._breaker.start()))
        self._sends.add(task)
        task.add_done_callback(partial(self._ended, again))

    def _ended(self, again: bool, task: asyncio.Task[None]) -> None:  # noqa: FBT001 -- a callback's argument
        self._sends.discard(task)
        self._retrying -= again
        self._slots.release()
        self._alarm.ring()
        if not task.cancelled() and (bug := task.exception()) and not self._bug.done():
            self._bug.set_exception(bug)  # the batch has no outcome, and would be owed for ever
