"""What one destination's loop promises while it runs: settling, retries, dead letters, pauses, bugs in plugins."""

import asyncio
import itertools

import pytest
from bench import POLICY, Scripted, calm, entry, plan

from postroad.clock import MICROSECONDS
from postroad.contract.email import Kind
from postroad.delivery import sender as sender_module
from postroad.delivery.routing import Route
from postroad.destinations.base import Delivered, Pause, Refused, Retry
from postroad.ledger.base import Outcome
from postroad.log.base import BLOCK_SPAN


async def test_delivered_events_settle(bench):
    """What is delivered, before and after the worker starts, is settled and the cursor behind it."""
    await bench.append("a", "b")
    destination = Scripted()
    await bench.start(destination)
    assert await bench.totals() == {"DELIVERED": 2}
    await bench.append("c")
    await calm()
    assert destination.seen == ["a", "b", "c"]
    assert await bench.totals() == {"DELIVERED": 3}
    assert (await bench.account()).cursor == 2 * BLOCK_SPAN


async def test_deliveries_may_end_in_any_order(bench):
    """The cursor waits for the slowest; what ended beyond it is settled all the same."""
    first = asyncio.Event()
    offsets = await bench.append("a", "b", "c")
    await bench.start(Scripted({"a": [first]}))
    assert (await bench.account()).cursor == offsets[0]
    assert list(await bench.ledger.outcomes(1, 0)) == [0, 1, 1]
    first.set()
    await calm()
    assert (await bench.account()).cursor == BLOCK_SPAN


async def test_no_more_sends_than_agreed(bench):
    """At most `concurrency` sends are under way."""
    await bench.append(*"abcdef")
    destination = Scripted(otherwise=asyncio.Event())
    await bench.start(destination, plan(concurrency=2))
    assert destination.under_way == 2
    destination.otherwise.set()
    await calm()
    assert len(destination.delivered) == 6


async def test_a_retry_comes_when_it_is_due(bench):
    """A failed event is tried again at its due time with one more try, and not a moment before."""
    (offset,) = await bench.append("a")
    destination = Scripted({"a": [Retry("busy", 100), Retry("busy", 100)]})
    await bench.start(destination)
    (row,) = await bench.ledger.retries(1, due_at=None, limit=9)
    assert (row.offset, row.tries, row.first_at) == (offset, 1, bench.clock.now())
    await bench.pass_time((row.due_at - bench.clock.now() - 1) / MICROSECONDS)
    assert len(destination.seen) == 1
    await bench.pass_time(1 / MICROSECONDS)
    assert len(destination.seen) == 2
    (again,) = await bench.ledger.retries(1, due_at=None, limit=9)
    assert (again.tries, again.first_at) == (2, row.first_at)
    await bench.pass_time(130)
    assert await bench.totals() == {"DELIVERED": 1}
    assert not await bench.ledger.retries(1, due_at=None, limit=9)


async def test_given_up_after_the_greatest_age(bench):
    """An event that fails until it is too old, while others succeed, is a dead letter with its bytes, name,
    reason and attempts.
    """
    (offset,) = await bench.append("a")
    record = await bench.log.get(offset)
    destination = Scripted({"a": [Retry("busy", None, 503, "later")] * 99})
    await bench.start(destination)
    for number in range(60):
        await bench.append(f"good{number}")
        await bench.pass_time(3600)
    (letter,) = await bench.ledger.dead(1)
    assert (letter.key, letter.value, letter.label) == (record.key, record.value, "Order Placed")
    assert letter.tries == destination.seen.count("a") > 10
    assert letter.died_at - letter.first_at <= POLICY.max_age * MICROSECONDS
    assert letter.why == f"given up after {letter.tries} tries in 24 hours; the last: busy"
    attempts = await bench.ledger.attempts(1, offset)
    assert [(attempt.status, attempt.answer) for attempt in attempts] == [(503, "later")] * letter.tries
    assert await bench.totals() == {"DEAD": 1, "DELIVERED": 60}


async def test_refused_is_dead_at_once(bench):
    """A refused event is dead after one try; the others go on."""
    await bench.append("a", "b")
    destination = Scripted({"a": [Refused("HTTP 400", 400, "no")]})
    await bench.start(destination)
    await bench.pass_time(86400)
    assert destination.seen == ["a", "b"]
    assert [letter.why for letter in await bench.ledger.dead(1)] == ["HTTP 400"]
    assert await bench.totals() == {"DEAD": 1, "DELIVERED": 1}


async def test_a_pause_stops_the_destination(bench):
    """While a destination is paused nothing is sent; after it all comes, and the pause was no try."""
    await bench.append("a", "b")
    destination = Scripted({"a": [Pause("HTTP 401", 401)]})
    await bench.start(destination, plan(concurrency=1))
    assert bench.worker.state == "paused: HTTP 401; next try in 5 seconds"
    await bench.append("c")
    await bench.pass_time(4.9)
    assert destination.seen == ["a"]
    (row,) = await bench.ledger.retries(1, due_at=None, limit=9)
    assert (row.tries, row.first_at) == (0, 0)
    await bench.pass_time(0.1)
    await bench.pass_time(1)
    assert sorted(destination.seen) == ["a", "a", "b", "c"]
    assert bench.worker.state == "running"
    assert await bench.totals() == {"DELIVERED": 3}


async def test_an_event_that_comes_in_a_pause_waits(bench):
    """A pause that begins while other slots wait for an event holds up that event too."""
    gate = asyncio.Event()
    await bench.append("a", "late")
    destination = Scripted({"a": [Pause("HTTP 401")], "late": [gate]})
    await bench.start(destination)
    await bench.append("b")
    await calm()
    gate.set()
    await calm()
    assert destination.seen == ["a", "late"]
    assert bench.worker.state == "paused: HTTP 401; next try in 5 seconds"
    await bench.pass_time(5)
    assert "b" in destination.delivered


@pytest.mark.parametrize(("failure", "state"), [(Retry("HTTP 503"), "open"), (Pause("HTTP 401"), "paused")])
async def test_the_log_says_when_it_is_left_alone(bench, logged, failure, state):
    """There is one warning when the breaker opens, one line when it closes, and none for the tries in between."""
    await bench.append(*"abcdef")
    destination = Scripted(otherwise=failure)
    await bench.start(destination, plan(concurrency=1))
    await bench.pass_time(5)
    await bench.pass_time(15)
    assert len(destination.seen) >= 3
    destination.otherwise = Delivered()
    await bench.pass_time(45)
    await calm()
    told = {"destination": "hook", "region": "us", "account": 1}
    opened, closed = logged
    assert opened == {
        **told,
        "event": "the destination is left alone until it works again",
        "log_level": "warning",
        "state": state,
        "reason": failure.why,
        "next_try_in": "5 seconds",
    }
    assert closed == {**told, "event": "the destination works again", "log_level": "info"}


async def test_a_failed_try_shows_until_one_succeeds(bench):
    """With little traffic the state says that the last try failed and why, long before the breaker opens."""
    await bench.append("a")
    destination = Scripted({"a": [Retry("no answer within 10 seconds", 100)]})
    await bench.start(destination)
    assert bench.worker.state == "running; the last try failed: no answer within 10 seconds"
    await bench.pass_time(130)
    assert bench.worker.state == "running"


async def test_pauses_grow_and_start_over(bench):
    """Each pause in a row is longer, up to five minutes; a delivery starts over."""
    await bench.append("a")
    destination = Scripted(otherwise=Pause("HTTP 401"))
    await bench.start(destination, plan(concurrency=1))
    sent_at = [bench.clock.now()]
    while len(sent_at) < 8:
        await bench.pass_time(0.5)
        if len(destination.seen) > len(sent_at):
            sent_at.append(bench.clock.now())
    gaps = [round((late - early) / MICROSECONDS) for early, late in itertools.pairwise(sent_at)]
    assert [4 <= gaps[0] <= 6, gaps[1:]] == [True, [15, 45, 135, 300, 300, 300]]
    destination.otherwise = Delivered()
    await bench.pass_time(300)
    destination.otherwise = Pause("HTTP 401")
    await bench.append("b")
    await calm()
    await bench.pass_time(6)
    assert destination.seen[-2:] == ["b", "b"]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (RuntimeError("bug"), "the destination raised RuntimeError"),
        (asyncio.CancelledError(), "the destination raised CancelledError"),
        ([], "the destination gave the wrong number or kind of outcomes"),
        ([Delivered(), Delivered()], "the destination gave the wrong number or kind of outcomes"),
        (["fine"], "the destination gave the wrong number or kind of outcomes"),
        (None, "no answer within 10 seconds"),
    ],
)
async def test_bugs_in_a_destination_are_retries(bench, monkeypatch, step, why):
    """A destination that raises, answers nonsense or hangs beyond its time has its event tried again."""
    monkeypatch.setattr(sender_module, "_GRACE", -10.0)  # so that the time is up at once
    await bench.append("a", "b")
    destination = Scripted({"a": [step]})
    await bench.start(destination)
    assert [row.why for row in await bench.ledger.retries(1, due_at=None, limit=9)] == [why]
    assert (await bench.account()).cursor == BLOCK_SPAN
    await bench.pass_time(6)
    assert await bench.totals() == {"DELIVERED": 2}


async def test_what_it_cannot_take_is_filtered(bench):
    """An event that the destination can't express is filtered as unsupported and never sent."""
    await bench.append("a", "b")
    destination = Scripted()
    destination.untaken = {"a"}
    await bench.start(destination)
    assert destination.seen == ["b"]
    assert await bench.totals() == {"FILTERED_UNSUPPORTED": 1, "DELIVERED": 1}


async def test_an_email_event_without_a_place_is_filtered(bench):
    """An email event that the destination's type has no place for is unsupported: the destination is not even asked."""
    await bench.log.append([entry("a", kind=Kind.OPENED), entry("b", kind=Kind.BOUNCED), entry("c")])
    destination = Scripted()
    await bench.start(destination, plan()._replace(unsupported=frozenset({Kind.OPENED})))
    assert destination.seen == ["b", "c"]
    assert await bench.totals() == {"FILTERED_UNSUPPORTED": 1, "DELIVERED": 2}


async def test_filtered_events_move_the_cursor(bench):
    """A destination that is switched off goes through any number of blocks without sending."""
    for number in range(20):
        await bench.append(f"a{number}", f"b{number}")
    destination = Scripted()
    await bench.start(destination, plan(route=Route(("hook",), None, enabled=False)))
    assert destination.seen == []
    assert await bench.totals() == {"FILTERED_DISABLED": 40}
    assert (await bench.account()).cursor == 20 * BLOCK_SPAN


async def test_a_resent_dead_letter_is_delivered_at_once(bench):
    """A dead letter that is resent goes out after a poke, even when the log no longer has it."""
    (offset,) = await bench.append("a")
    destination = Scripted({"a": [Refused("HTTP 400")]})
    await bench.start(destination)
    await bench.pass_time(100)
    await bench.append("b")
    await calm()
    await bench.log.retire(BLOCK_SPAN, 1)
    await bench.ledger.forget(BLOCK_SPAN)
    assert await bench.log.get(offset) is None
    assert await bench.ledger.resend(1, [offset], bench.clock.now()) == 1
    bench.worker.poke()
    await calm()
    assert destination.seen == ["a", "b", "a"]
    assert await bench.totals() == {"DELIVERED": 2}


async def test_a_retry_whose_event_is_gone_expires(bench):
    """A retry whose record retention removed is expired and doesn't stop the others."""
    (offset,) = await bench.append("a")
    destination = Scripted({"a": [Retry("busy", 1000)]})
    await bench.start(destination)
    await bench.pass_time(100)
    await bench.append("b")
    await bench.log.retire(BLOCK_SPAN, 1)
    assert await bench.log.get(offset) is None
    await bench.pass_time(1300)
    assert destination.seen == ["a", "b"]
    assert (await bench.ledger.outcomes(1, 0))[0] == Outcome.EXPIRED


async def test_a_retry_under_way_is_not_sent_twice(bench):
    """While a retry is being sent, its row in the ledger makes no second send, however often the loop looks."""
    gate = asyncio.Event()
    await bench.append("a")
    destination = Scripted({"a": [Retry("busy", 10), gate]})
    await bench.start(destination)
    await bench.pass_time(12)
    for _ in range(3):
        bench.worker.poke()
        await calm()
    assert destination.seen == ["a", "a"]
    gate.set()
    await calm()
    assert await bench.totals() == {"DELIVERED": 1}
