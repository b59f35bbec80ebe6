"""What the operator holds, releases and tries."""

import asyncio

import pytest
from batched import Batched
from bench import EVERYTHING, POLICY, Scripted, calm, plan

from postroad.delivery.breaker import Breaker
from postroad.delivery.engine import Engine, Service
from postroad.destinations.base import BatchLimits, Delivered, Refused, Retry
from postroad.errors import UsageError

BUSY = Retry("HTTP 503", None, 503)
IDS = [f"m{number}" for number in range(30)]


async def run(bench, destination, served=None, **more):
    """Run an engine that serves one destination from the beginning of the log."""
    service = Service(served or plan(), lambda: destination, from_beginning=True)
    engine = Engine([service], bench.log, bench.ledger, bench.clock, **more)
    bench.task = asyncio.create_task(engine.run())
    await calm()
    return engine


def test_a_held_breaker_lets_nothing_through_but_what_is_asked_for():
    """A hold lets one send start each time that somebody asks; how that ends changes nothing of the hold."""
    breaker = Breaker(POLICY)
    breaker.hold("held: x")
    assert (breaker.closed, breaker.wait(9e9), breaker.state(0)) == (False, float("inf"), "held: x")
    for end in (breaker.succeeded, lambda era: breaker.failed(era, 0.0, "HTTP 503", None)):
        breaker.hurry()
        assert (breaker.wait(0), breaker.state(0)) == (0, "held: x; trying now")
        end(breaker.start())
        assert breaker.wait(9e9) == float("inf")
    assert breaker.state(0) == "held: x; the last try failed: HTTP 503"
    breaker.release()
    assert (breaker.word, breaker.wait(0)) == ("open", 0)
    breaker.succeeded(breaker.start())
    assert breaker.closed


async def test_held_events_wait(bench):
    """While it is held nothing is sent, over a restart too; released, everything that waited arrives."""
    destination = Scripted()
    engine = await run(bench, destination)
    await engine.hold("hook", by="ada", why="it moves")
    await bench.append(*IDS)
    await bench.pass_time(3600)
    assert engine.states()["hook"].endswith("by ada: it moves")
    await bench.stop()
    again = Scripted()
    engine = await run(bench, again)
    await bench.append("late")
    await bench.pass_time(3600)
    assert (destination.seen, again.seen, await bench.totals()) == ([], [], {})
    assert engine.states()["hook"].startswith("held: on purpose since ")
    await engine.release("hook")
    await bench.pass_time(1)
    assert sorted(again.delivered) == sorted([*IDS, "late"])
    assert engine.states() == {"hook": "running"}


async def test_what_is_under_way_ends(bench):
    """A send that is under way when the hold comes is settled as it ends; what fails then has not used up a try."""
    gate = asyncio.Event()
    await bench.append("a", "b")
    engine = await run(bench, Scripted({"a": [gate], "b": [BUSY]}), plan(concurrency=1))
    await engine.hold("hook")
    gate.set()
    await calm()
    assert await bench.totals() == {"DELIVERED": 1}


async def test_nothing_grows_older(bench):
    """However long the hold, no retry is given up for its age."""
    await bench.append("a")
    engine = await run(bench, Scripted({"a": [BUSY]}))
    await engine.hold("hook")
    for _ in range(10):
        await bench.pass_time(86400)
    await bench.stop()
    engine = await run(bench, Scripted({"a": [BUSY] * 2}))
    await bench.pass_time(86400)
    await engine.release("hook")
    for _ in range(10):
        await bench.pass_time(60)
    assert await bench.totals() == {"DELIVERED": 1}


async def test_try_while_held(bench):
    """A try sends one event, and the hold stays; the next one waits for the next try or the release."""
    await bench.append(*IDS)
    destination = Scripted(otherwise=BUSY)
    engine = await run(bench, destination)
    await engine.hold("hook")
    seen = len(destination.seen)
    destination.otherwise = Delivered()
    await engine.try_now("hook")
    await bench.pass_time(3600)
    assert (len(destination.seen), len(destination.delivered)) == (seen + 1, 1)
    await engine.release("hook")
    await bench.pass_time(1)
    assert sorted(destination.delivered) == sorted(IDS)


async def test_a_try_without_anything_to_send_is_over(bench):
    """A try finds what is there at that moment: what comes later waits."""
    destination = Scripted()
    engine = await run(bench, destination)
    await engine.hold("hook")
    await calm()
    assert await engine.try_now("hook") == 0
    await calm()
    await bench.append("a")
    await bench.pass_time(3600)
    assert destination.seen == []


@pytest.mark.parametrize("frozen", [False, True])
async def test_try_now(bench, frozen):
    """A try of one that fails skips the wait for the next probe, and the retries' own."""
    await bench.append(*IDS)
    destination = Batched(lambda ids: [BUSY] * len(ids))
    limits = BatchLimits(5, 1 << 20, 0.0, frozen=frozen)
    engine = await run(bench, destination, plan()._replace(batch=limits))
    for _ in range(5):
        await bench.pass_time(60)
    assert engine.states()["hook"].startswith("open: ")
    destination.answer = lambda ids: [Delivered()] * len(ids)
    await engine.try_now("hook")
    await calm()
    assert sorted(destination.delivered) == sorted(IDS)


async def test_try_lets_a_lone_retry_go(bench):
    """A retry that has long to wait while all else works is sent at once, and counted."""
    await bench.append("a")
    destination = Scripted({"a": [Retry("busy", 3000)]})
    engine = await run(bench, destination)
    assert destination.delivered == []
    assert await engine.try_now("hook") == 1
    await calm()
    assert destination.delivered == ["a"]


async def test_replays_are_held_too(bench):
    """A hold is the destination's: its replays wait as well, those that begin while it is held too."""
    offsets = await bench.append(*IDS)
    destination = Scripted()
    engine = await run(bench, destination)
    seen = len(destination.seen)
    await engine.hold("hook")
    await engine.open_replay("hook", start=0, end=offsets[-1] + 1)
    await bench.pass_time(60)
    assert len(destination.seen) == seen
    await engine.release("hook")
    await bench.pass_time(1)
    assert len(destination.seen) == 2 * seen


async def test_policy_goes_on_deciding(bench):
    """With `on_backlog_full = "expire"` what is too old expires at a held destination as at any other."""
    await bench.append("old")
    bench.clock.advance(7200)
    await bench.append("new")
    destination = Scripted(otherwise=BUSY)
    engine = await run(bench, destination, plan()._replace(expire_after=3600))
    await engine.hold("hook")
    destination.otherwise = Delivered()
    await bench.pass_time(61)
    assert (await bench.totals())["EXPIRED"] == 1
    await engine.release("hook")
    await bench.pass_time(60)
    assert await bench.totals() == {"EXPIRED": 1, "DELIVERED": 1}


async def test_the_configuration_of_the_moment_of_release(bench):
    """What waits on hold is filtered by nothing before it is released, whatever the file says meanwhile."""
    engine = await run(bench, Scripted())
    await engine.hold("hook")
    await bench.append(*IDS)
    await bench.stop()
    off = plan()._replace(route=EVERYTHING._replace(enabled=False))
    await run(bench, Scripted(), off)
    await bench.pass_time(3600)
    assert await bench.totals() == {}
    await bench.stop()
    engine = await run(bench, destination := Scripted())
    await engine.release("hook")
    await bench.pass_time(1)
    assert sorted(destination.delivered) == sorted(IDS)


@pytest.mark.parametrize(
    ("route", "rule"),
    [
        (EVERYTHING._replace(enabled=False), "FILTERED_DISABLED"),
        (EVERYTHING._replace(events=frozenset({"Other"})), "FILTERED_EVENTS"),
    ],
)
async def test_retries_obey_the_configuration_of_the_moment(bench, route, rule):
    """A retry, and a dead letter that is resent, is filtered by what the file says now; a frozen batch is not."""
    (_, dead) = await bench.append("a", "dead")
    await bench.start(Scripted({"a": [BUSY] * 9, "dead": [Refused("no")]}))
    await bench.stop()
    await bench.ledger.resend(1, [dead], bench.clock.now())
    await bench.start(destination := Scripted(), plan()._replace(route=route))
    await bench.pass_time(60)
    assert (destination.seen, await bench.totals()) == ([], {rule: 2})


async def test_a_frozen_batch_stays_whole(bench):
    """What was frozen before the file changed goes out all the same."""
    limits = BatchLimits(5, 1 << 20, 0.0, frozen=True)
    await bench.append("a", "b")
    await bench.start(Batched(lambda ids: [BUSY] * len(ids)), plan()._replace(batch=limits))
    await bench.stop()
    off = plan()._replace(batch=limits, route=EVERYTHING._replace(enabled=False))
    await bench.start(destination := Batched(), off)
    await bench.pass_time(60)
    assert destination.delivered == ["a", "b"]


async def test_who_can_be_held(bench):
    """Only what is there can be held, only what is held released, and only what is configured tried."""
    engine = await run(bench, Scripted())
    for call in (engine.hold("other"), engine.release("hook"), engine.try_now("other")):
        with pytest.raises(UsageError, match=r"'other'|not on hold"):
            await call
