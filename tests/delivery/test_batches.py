"""How events share sends: limits, lingering, rates, what is tried again, and how a bad one ends alone."""

import asyncio

from batched import Batched, fine
from bench import calm, entry, plan
from hypothesis import given
from hypothesis import strategies as st

from postroad.clock import MICROSECONDS
from postroad.config.model import Rate
from postroad.contract.stored import unpack
from postroad.delivery.breaker import FAILURES
from postroad.delivery.items import Batch, Item
from postroad.destinations.base import BatchLimits, Delivered, Event, Pause, Refused, Retry, Split
from postroad.errors import StoreUnavailable
from postroad.log.base import Record

IDS = [f"m{number}" for number in range(10)]
SIZE = len(unpack(entry("m0").value).body)


def limits(max_events: int = 100, max_bytes: int = 1 << 20, linger: float = 0.0) -> BatchLimits:
    """Return limits."""
    return BatchLimits(max_events, max_bytes, linger)


def batches(of: BatchLimits, **more):
    """Return a plan with one send at a time."""
    return plan(concurrency=1)._replace(batch=of, **more)


async def test_a_batch_has_so_many_events(bench):
    """Batches are filled with what is there, in order, over the bounds of blocks, and no further."""
    await bench.append(*IDS[:3])
    await bench.append(*IDS[3:])
    destination = Batched()
    await bench.start(destination, batches(limits(4)))
    assert destination.batches == [IDS[:4], IDS[4:8], IDS[8:]]
    assert await bench.totals() == {"DELIVERED": 10}


async def test_a_batch_has_so_many_bytes(bench):
    """Bodies together keep to the bytes; one that is larger goes alone."""
    await bench.append(*IDS[:5])
    destination = Batched()
    await bench.start(destination, batches(limits(100, 2 * SIZE)))
    assert destination.batches == [IDS[:2], IDS[2:4], IDS[4:5]]
    assert len(destination.bodies[0]) == SIZE
    await bench.stop()
    small = Batched()
    await bench.append("n0", "n1")
    await bench.start(small, batches(limits(100, 1)))
    assert small.batches == [["n0"], ["n1"]]


async def test_a_batch_lingers_for_more(bench):
    """One that is not full waits so long for more and no longer; a full one doesn't wait."""
    destination = Batched()
    await bench.start(destination, batches(limits(3, linger=2.0)))
    await bench.append("a")
    await calm()
    await bench.pass_time(1.5)
    await bench.append("b")
    await bench.pass_time(0.4)
    assert destination.batches == []
    await bench.pass_time(0.1)
    assert destination.batches == [["a", "b"]]
    await bench.append("c", "d", "e", "f")
    await bench.pass_time(0)
    assert destination.batches[1:] == [["c", "d", "e"]]
    await bench.pass_time(2)
    assert destination.batches[2:] == [["f"]]


async def test_a_batch_does_not_linger_while_a_store_fails(bench, monkeypatch):
    """What was gathered goes out at once when no more can be read: a failing store is not asked again and again."""

    async def unreadable(*_: int):
        await asyncio.sleep(0)
        raise StoreUnavailable("gone")

    destination = Batched()
    await bench.start(destination, batches(limits(3, linger=60)))
    await bench.append("a")
    await calm()
    assert destination.batches == []
    monkeypatch.setattr(bench.log, "read", unreadable)
    await bench.append("b")
    await calm()
    assert destination.batches == [["a"]]
    assert bench.worker.state == "waiting: gone"


async def test_retries_and_new_records_take_turns(bench):
    """What is due again goes out by itself: it must not spoil the send of what never failed."""
    await bench.append("a", "b")
    answers = [[Retry("busy", 1), Retry("busy", 1)]]
    destination = Batched(lambda ids: answers.pop() if answers else fine(ids))
    await bench.start(destination, batches(limits(linger=1)))
    await bench.pass_time(1)
    await bench.pass_time(1.2)
    await bench.append("c", "d")
    await calm()
    await bench.pass_time(1)
    await bench.pass_time(1)
    assert sorted(map(sorted, destination.batches[1:])) == [["a", "b"], ["c", "d"]]


async def test_only_what_failed_is_tried_again(bench):
    """Each event has its own outcome: delivered ones are settled, refused ones dead, only the others return."""
    await bench.append("good", "bad", "busy")
    outcomes = {"good": Delivered(), "bad": Refused("HTTP 400"), "busy": Retry("HTTP 503")}
    destination = Batched(lambda ids: [outcomes[one] for one in ids])
    await bench.start(destination, batches(limits()))
    assert await bench.totals() == {"DELIVERED": 1, "DEAD": 1, "RETRY": 1}
    outcomes["busy"] = Delivered()
    await bench.pass_time(7)
    assert destination.batches == [["good", "bad", "busy"], ["busy"]]
    assert await bench.totals() == {"DELIVERED": 2, "DEAD": 1}


async def test_a_batch_that_is_too_large_is_halved_at_once(bench):
    """`Split` sends the halves without any waiting, until they are taken; what is too large alone is dead."""
    await bench.append(*IDS[:7])
    destination = Batched(lambda ids: [Split("HTTP 413")] * len(ids) if len(ids) > 2 or "m5" in ids else fine(ids))
    await bench.start(destination, batches(limits()))
    assert destination.batches == [
        *(IDS[:7], IDS[:4], IDS[:2], IDS[2:4]),
        *(IDS[4:7], ["m4", "m5"], ["m4"], ["m5"], ["m6"]),
    ]
    assert [letter.why for letter in await bench.ledger.dead(1)] == ["HTTP 413"]
    assert await bench.totals() == {"DELIVERED": 6, "DEAD": 1}


async def test_only_the_part_that_is_split_is_sent_again(bench):
    """Where some of a batch are delivered and some are split, only these return, in smaller batches."""
    await bench.append("a", "b", "c", "d")
    answers = [[Delivered(), Split("x"), Delivered(), Split("x")]]
    destination = Batched(lambda ids: answers.pop() if answers else fine(ids))
    await bench.start(destination, batches(limits()))
    assert destination.batches == [["a", "b", "c", "d"], ["b"], ["d"]]
    assert await bench.totals() == {"DELIVERED": 4}


async def test_an_event_that_makes_a_destination_raise_ends_alone(bench):
    """A bug at one event of a batch costs the others nothing: they are delivered in smaller batches at once."""
    await bench.append(*IDS)
    destination = Batched(lambda ids: KeyError("bug") if "m6" in ids else fine(ids))
    await bench.start(destination, batches(limits()))
    assert sorted(destination.delivered) == sorted({*IDS} - {"m6"})
    assert [row.why for row in await bench.ledger.retries(1, due_at=None, limit=9)] == [
        "the destination raised KeyError"
    ]


async def test_an_event_that_spoils_its_batches_ends_alone(bench):
    """Where one event makes whole batches fail while others succeed, its company shrinks until it is alone, and it
    alone dies of age.
    """
    await bench.append(*IDS)
    destination = Batched(lambda ids: [Retry("HTTP 500")] * len(ids) if "m6" in ids else fine(ids))
    await bench.start(destination, batches(limits(64)))
    for number in range(60):
        await bench.append(f"good{number}")
        await bench.pass_time(3600)
    assert [letter.value.count(b"m6") for letter in await bench.ledger.dead(1)] == [1]
    assert await bench.totals() == {"DELIVERED": 69, "DEAD": 1}
    spoiled = [batch for batch in destination.batches if "m6" in batch]
    assert len(spoiled) > 10
    assert spoiled[3:] == [["m6"]] * (len(spoiled) - 3)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), max_size=40),
    st.integers(1, 20),
    st.integers(1, 200),
)
def test_batches_keep_their_limits(events, max_events, max_bytes):
    """However items come, every one gets into some batch, in order, and no batch of several exceeds a limit."""
    items = []
    for number, (size, tries) in enumerate(events):
        event = Event(number, "us", "app", str(number), 0, "track", "", None, (), b"x" * size, "key")
        items.append(Item(event, Record(number, b"", b""), tries, 0))
    made, left = [], list(items)
    while left:
        batch = Batch(limits(max_events, max_bytes))
        while left and not batch.full and batch.offer(left[0]):
            left.pop(0)
        assert batch.items
        assert len(batch.items) <= max_events
        assert len(batch.items) == 1 or sum(len(item.event.body) for item in batch.items) <= max_bytes
        assert len(batch.items) == 1 or all(
            max_events // 8 ** (item.tries - 1) > 0 for item in batch.items if item.tries
        )
        made += batch.items
    assert made == items


async def test_the_rate_holds(bench):
    """No more events and no more requests a second than agreed, and no batch of more than a second's events."""
    await bench.append(*IDS)
    destination = Batched()
    await bench.start(destination, batches(limits(), rate=Rate(events=4)))
    sent = [(0, len(one)) for one in destination.batches]
    for second in range(1, 5):
        seen = len(destination.batches)
        await bench.pass_time(1)
        sent += [(second, len(batch)) for batch in destination.batches[seen:]]
    assert [count for _, count in sent] == [4, 4, 2]
    assert all(sum(count for at, count in sent if at <= second) <= 4 * second + 1 for second in range(5))


async def test_a_dead_destination_uses_up_no_events(bench):
    """While a destination is down only single events are sent, ever more rarely; after three days every event is
    still there, with hardly a try and no age, and is delivered when it comes back.
    """
    await bench.append(*IDS)
    destination = Batched(lambda ids: [Retry("HTTP 503", None, 503)] * len(ids))
    await bench.start(destination, batches(limits(2)))
    assert bench.worker.state == "open: HTTP 503; next try in 5 seconds"
    for _ in range(72 * 6):
        await bench.append("later" + str(bench.clock.now()))
        await bench.pass_time(600)
    assert all(len(batch) == 1 for batch in destination.batches[FAILURES:])
    assert len(destination.batches) <= FAILURES + 3 + 72 * 12
    rows = await bench.ledger.retries(1, due_at=None, limit=999)
    assert {row.tries for row in rows} <= {0, 1}
    assert all(row.due_at - row.first_at <= 600 * MICROSECONDS for row in rows if row.first_at)
    assert not await bench.ledger.dead(1)
    destination.answer = fine
    for _ in range(4):
        await bench.pass_time(300)
    assert bench.worker.state == "running"
    assert await bench.totals() == {"DELIVERED": 10 + 72 * 6}


async def test_a_restart_does_not_kill_what_waited(bench):
    """Events that waited for days behind an open breaker are tried again after a restart, and not given up."""
    await bench.append(*IDS)
    destination = Batched(lambda ids: [Retry("HTTP 503")] * len(ids))
    await bench.start(destination, batches(limits(1)))
    await bench.stop()
    bench.clock.advance(3 * 86400)
    await bench.start(Batched(destination.answer), batches(limits(1)))
    assert not await bench.ledger.dead(1)
    await bench.stop()
    await bench.start(Batched(), batches(limits(1)))
    await bench.pass_time(30)
    assert await bench.totals() == {"DELIVERED": 10}


async def test_a_breaker_that_opens_stops_the_halving(bench):
    """A destination that goes down in the middle of a bisection is left alone; the rest is put back untried."""
    await bench.append(*IDS)
    seen = []

    def answer(ids):
        seen.append(ids)
        return [Split("HTTP 413") if len(seen) == 1 else Pause("HTTP 401")] * len(ids)

    destination = Batched(answer)
    await bench.start(destination, batches(limits()))
    assert [len(ids) for ids in seen] == [10, 5]
    rows = await bench.ledger.retries(1, due_at=None, limit=99)
    assert {(row.tries, row.first_at, row.why) for row in rows} == {(0, 0, "HTTP 401")}
    assert len(rows) == 10
    destination.answer = fine
    await bench.pass_time(5)
    await bench.pass_time(0)
    assert [len(ids) for ids in destination.batches[2:]] == [1, 9]
    assert await bench.totals() == {"DELIVERED": 10}
