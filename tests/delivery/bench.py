"""What the tests of delivery share: stored events, a scripted destination, and a worker on stores in memory."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from postroad.clock import ManualClock
from postroad.config.model import RetryPolicy
from postroad.contract.calls import Type
from postroad.contract.decode import Call
from postroad.contract.email import Kind
from postroad.contract.stored import StoredEvent, make_key, pack
from postroad.delivery.plan import Plan
from postroad.delivery.routing import Route
from postroad.delivery.worker import Worker
from postroad.destinations.base import Delivered, Event, SendResult
from postroad.ledger.base import Account, RetryRow, Settlement
from postroad.log.base import Entry
from postroad.testing.memory_ledger import MemoryLedger
from postroad.testing.memory_log import MemoryLog

POLICY = RetryPolicy(first=5, factor=3, max_interval=3600, max_age=86400)
EVERYTHING = Route(names=("hook",), events=None, enabled=True)


def entry(
    message_id: str,
    *,
    name: str = "Order Placed",
    kind: Kind | None = None,
    integrations: Mapping[str, bool] | None = None,
    received_at: int = 1_700_000_000_000_000,
) -> Entry:
    """Return a track call as the log stores it."""
    members: dict[str, object] = {"type": "track", "event": name, "userId": "ada", "messageId": message_id}
    if integrations is not None:
        members["integrations"] = integrations
    call = Call(
        type=Type.TRACK,
        name=name,
        kind=kind,
        message_id=message_id,
        violations=(),
        notes=(),
        routed=integrations is not None,
        body=msgspec.json.encode(members),
    )
    return Entry(make_key("app", message_id), pack(call, received_at))


def stored(name: str = "Order Placed", *, kind: Kind | None = None, integrations: object = None) -> StoredEvent:
    """Return an event as it is in the log."""
    body = msgspec.json.encode({"event": name, "integrations": integrations})
    return StoredEvent(Type.TRACK, name, kind, integrations is not None, 0, b"", body)


Step = SendResult | BaseException | Sequence[Any] | asyncio.Event | None

DELIVERED = Delivered()


class Scripted:
    """A destination that does what the script says, one step a try of a message id, and delivers after that.

    A step is an outcome, an error to raise, a list to answer with as it is, None to hang for ever, or an
    event to wait for before delivering.
    """

    def __init__(self, script: Mapping[str, Sequence[Step]] | None = None, *, otherwise: Step = DELIVERED) -> None:
        self.steps = {message_id: list(steps) for message_id, steps in (script or {}).items()}
        self.otherwise = otherwise
        self.untaken: set[str] = set()
        self.seen: list[str] = []
        self.delivered: list[str] = []
        self.closed = 0
        self.under_way = 0

    def takes(self, event: Event) -> bool:
        """Say no to `untaken`."""
        return event.message_id not in self.untaken

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """Take one step of the script."""
        assert not self.closed
        (event,) = events
        self.seen.append(event.message_id)
        steps = self.steps.get(event.message_id)
        self.under_way += 1
        try:
            return await self._take(steps.pop(0) if steps else self.otherwise, event)
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        """Count."""
        self.closed += 1

    async def _take(self, step: Step, event: Event) -> Sequence[Any]:
        if step is None:
            await asyncio.Event().wait()
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, list):
            return step
        if isinstance(step, asyncio.Event):
            await step.wait()
            step = Delivered()
        if isinstance(step, Delivered):
            self.delivered.append(event.message_id)
        return [step]


class WatchedLedger(MemoryLedger):
    """A ledger in memory that counts calls and breaks when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.broken: Exception | None = None
        self.unreadable: Exception | None = None
        self.hold: asyncio.Event | None = None

    async def settle(self, account: int, settlement: Settlement) -> None:
        """Settle, unless it is broken; not before `hold` is set."""
        self.calls["settle"] += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.broken is not None:
            raise self.broken
        await super().settle(account, settlement)

    async def totals(self, account: int) -> Mapping[Any, int]:
        """Count the call."""
        self.calls["totals"] += 1
        if self.unreadable is not None:
            raise self.unreadable
        return await super().totals(account)

    async def retries(
        self, account: int, *, due_at: int | None, due_after: int | None = None, offset: int | None = None, limit: int
    ) -> Sequence[RetryRow]:
        """Count the call."""
        self.calls["retries"] += 1
        if self.unreadable is not None:
            raise self.unreadable
        return await super().retries(account, due_at=due_at, due_after=due_after, offset=offset, limit=limit)


def plan(destination: str = "hook", *, concurrency: int = 4, route: Route = EVERYTHING, timeout: float = 10) -> Plan:
    """Return how the tests serve a destination."""
    return Plan(destination, "us", route, POLICY, concurrency, timeout)


async def calm() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(600):
        await asyncio.sleep(0)


class Bench:
    """One account of the destination `hook`, its worker, and the stores, all in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.log = MemoryLog(self.clock)
        self.ledger = WatchedLedger()
        self.number = 1
        self.task: asyncio.Task[None] | None = None
        self.worker: Worker

    async def append(self, *message_ids: str, name: str = "Order Placed") -> Sequence[int]:
        """Store events in one block; returns their offsets."""
        return (await self.log.append([entry(message_id, name=name) for message_id in message_ids])).offsets

    async def start(self, destination: Scripted, served: Plan | None = None) -> None:
        """Run a worker over the account as the ledger has it, until there is nothing it can do."""
        if await self.ledger.account(self.number) is None:
            await self.ledger.open_account("hook", start=0, at=0)
        self.worker = Worker(
            served or plan(), await self.account(), destination, log=self.log, ledger=self.ledger, clock=self.clock
        )
        self.task = asyncio.create_task(self.worker.run())
        await calm()

    async def stop(self) -> None:
        """Stop the worker in order."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def kill(self) -> None:
        """Stop as a crash does: nothing more reaches the ledger."""
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        self.task = None

    async def pass_time(self, seconds: float) -> None:
        """Move the clock forward."""
        self.clock.advance(seconds)
        await calm()

    async def account(self) -> Account:
        """Return the account as it is now."""
        account = await self.ledger.account(self.number)
        assert account is not None
        return account

    async def totals(self, number: int | None = None) -> Mapping[str, int]:
        """Return the totals of the account, or of another one, by the outcomes' names."""
        totals = await MemoryLedger.totals(self.ledger, self.number if number is None else number)
        return {outcome.name: count for outcome, count in totals.items()}
