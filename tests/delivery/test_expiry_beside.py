"""What has expired stays so, whatever else reads and settles the same records at that moment."""

import asyncio
import itertools

import pytest
from batched import Batched, fine
from bench import Bench, Scripted, WatchedLedger, calm, plan
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from postroad.destinations.base import BatchLimits, Pause, Refused, Retry
from postroad.ledger.base import FrozenBatch, Outcome
from postroad.log.base import BLOCK_SPAN


class Lagging(WatchedLedger):
    """Answers as it was when it was asked, some turns of the loop later; remembers what every record became."""

    def __init__(self, lags=(0,)):
        super().__init__()
        self._lags = itertools.cycle(lags)
        self.became = {}

    async def settle(self, account, settlement):
        """Settle late, and answer late."""
        await self.late()
        await super().settle(account, settlement)
        for offset, outcome in settlement.outcomes.items():
            self.became.setdefault(offset, []).append(outcome)
        await self.late()

    async def retries(self, account, **asked):
        """Read the retries."""
        found = await super().retries(account, **asked)
        await self.late()
        return found

    async def rows(self, account, outcome, **asked):
        """Read the rows."""
        found = await super().rows(account, outcome, **asked)
        await self.late()
        return found

    async def frozen(self, account):
        """Read the frozen batches."""
        found = await super().frozen(account)
        await self.late()
        return found

    async def late(self):
        """Take some turns."""
        for _ in range(next(self._lags)):
            await asyncio.sleep(0)

    def changed(self):
        """Return the records that became something else after they had expired or were delivered."""
        final = {Outcome.EXPIRED, Outcome.DELIVERED}
        return {offset: became for offset, became in self.became.items() if final.intersection(became[:-1])}


def busy(ids):
    """Fail as a whole."""
    return [Retry("busy")] * len(ids)


@pytest.fixture
async def lagging():
    """A bench with such a ledger."""
    bench = Bench()
    bench.ledger = Lagging()
    yield bench
    await bench.stop()


async def test_a_retry_that_is_being_read(lagging):
    """A retry is not handed out when it expires between being read and being taken."""
    await lagging.append("a", "b", "c")
    await lagging.start(Scripted(otherwise=Retry("busy", 10)))
    read, gate = lagging.ledger.retries, asyncio.Event()

    async def read_late(account, **asked):
        found = await read(account, **asked)
        if asked.get("offset") is None:
            await gate.wait()
        return found

    lagging.ledger.retries = read_late
    await lagging.pass_time(15)
    expiring = asyncio.create_task(lagging.worker.expire(BLOCK_SPAN))
    await calm()
    gate.set()
    await calm()
    await lagging.pass_time(15)
    assert expiring.done()
    assert lagging.ledger.changed() == {}


async def test_a_retry_that_is_delivered_while_it_is_looked_at(lagging):
    """A retry whose delivery is settled between being looked at and expiring stays delivered."""
    gate, looked = asyncio.Event(), asyncio.Event()
    await lagging.append("a")
    await lagging.start(Scripted({"a": [Retry("busy", 10), gate]}))
    await lagging.pass_time(15)
    read = lagging.ledger.retries

    async def read_late(account, **asked):
        found = await read(account, **asked)
        await looked.wait()
        return found

    lagging.ledger.retries = read_late
    expiring = asyncio.create_task(lagging.worker.expire(BLOCK_SPAN))
    await calm()
    gate.set()
    await calm()
    looked.set()
    await calm()
    assert expiring.done()
    assert await lagging.totals() == {"DELIVERED": 1}
    assert lagging.ledger.changed() == {}


async def test_a_batch_that_an_earlier_run_left(lagging):
    """What an earlier run froze is a batch also for an expiry that comes before the loop has read it."""
    await lagging.ledger.open_account("hook", start=0, at=0)
    offsets = await lagging.append("a", "b")
    await lagging.ledger.freeze_batches(lagging.number, [FrozenBatch(offsets, 0, 0, 0, "")])
    read, gate = lagging.ledger.frozen, asyncio.Event()

    async def read_late(account):
        found = await read(account)
        await gate.wait()
        return found

    lagging.ledger.frozen = read_late
    destination = Batched()
    await lagging.start(destination, plan(concurrency=1)._replace(batch=BatchLimits(2, 1000, 0, frozen=True)))
    expiring = asyncio.create_task(lagging.worker.expire(BLOCK_SPAN))
    await calm()
    gate.set()
    await calm()
    assert expiring.done()
    assert lagging.ledger.changed() == {}
    assert await lagging.totals() == {"DELIVERED" if destination.delivered else "EXPIRED": 2}


async def test_a_batch_that_is_held(lagging):
    """A frozen batch that waits for the breaker is taken back once, however often others are let expire meanwhile."""
    await lagging.append("a")
    destination = Batched(lambda _: [Pause("HTTP 401")])
    await lagging.start(destination, plan(concurrency=1)._replace(batch=BatchLimits(1, 1000, 0, frozen=True)))
    for _ in range(3):
        await lagging.worker.expire(0)
    destination.answer = fine
    for _ in range(3):
        await lagging.pass_time(300)
    assert destination.batches == [["a"], ["a"]]
    assert lagging.ledger.changed() == {}


async def test_a_batch_that_is_being_shaped(lagging):
    """A batch that expires while it is read expires whole, also the event that its transform would have left out."""
    await lagging.append("a", "b")
    destination, gate = Batched(busy), asyncio.Event()

    async def shape(event):
        if not destination.batches:
            return event
        if event.message_id == "a":
            await gate.wait()
            return event
        return None

    limits = BatchLimits(2, 1000, 0, frozen=True)
    await lagging.start(destination, plan(concurrency=1)._replace(batch=limits, shape=shape))
    await lagging.pass_time(10)
    await lagging.worker.expire(BLOCK_SPAN)
    await calm()
    gate.set()
    await calm()
    assert await lagging.totals() == {"EXPIRED": 2}
    assert lagging.ledger.changed() == {}


ANSWERS = {"mend": fine, "break": lambda ids: [Retry("busy"), Refused("no")][: len(ids)]}
STEPS = st.lists(st.sampled_from(["append", "expire", "wait", "poke", "mend", "break"]), min_size=4, max_size=20)


@given(lags=st.lists(st.integers(0, 9), min_size=1, max_size=12), steps=STEPS, frozen=st.booleans())
@settings(deadline=None, max_examples=60)
def test_nothing_that_expired_comes_back(lags, steps, frozen):
    """However slowly the ledger answers, no record gets another outcome once it has expired or is delivered."""
    asyncio.run(_expire_beside(lags, steps, frozen))


async def _expire_beside(lags, steps, frozen):
    bench = Bench()
    bench.ledger = Lagging(lags)
    destination = Batched(busy)
    served = plan(concurrency=2)._replace(batch=BatchLimits(2, 1 << 20, 0, frozen))
    expiring = []
    with capture_logs():
        await bench.append("a", "b", "c", "d", "e")
        await bench.start(destination, served)
        for number, step in enumerate(steps):
            if step == "append":
                await bench.append(*(f"{number}-{place}" for place in range(5)))
            elif step == "expire" and all(one.done() for one in expiring):
                before = max(await bench.log.end() - BLOCK_SPAN, BLOCK_SPAN)
                expiring.append(asyncio.create_task(bench.worker.expire(before)))
            elif step == "wait":
                bench.clock.advance(400)
            elif step == "poke":
                bench.worker.poke()
            elif step in ANSWERS:
                destination.answer = ANSWERS[step]
            for _ in range(7):
                await asyncio.sleep(0)
        await calm()
        await asyncio.gather(*expiring)
        destination.answer = fine
        for _ in range(30):
            await bench.pass_time(400)
        await bench.stop()
    assert bench.ledger.changed() == {}
    assert sum((await bench.totals()).values()) == 5 * (1 + steps.count("append"))
