"""A destination that refuses whatever it is asked is down, whatever its answers say."""

import pytest
from batched import Batched
from bench import POLICY, Scripted, plan

from postroad.delivery.breaker import REFUSALS, Breaker
from postroad.destinations.base import BatchLimits, Delivered, Refused, Retry, Split

GONE = Refused("answered 410 Gone", 410, "gone")
WARNING = "the destination is left alone until it works again"
BURST = "the destination refused events: they are dead letters"


def told(logged, event):
    """Return what the log has under this event."""
    return [entry for entry in logged if entry["event"] == event]


def refuse(breaker, times):
    """Let requests be refused, one after the other; how many of them count against their event."""
    return sum(breaker.refused(breaker.start(), 0.0, "HTTP 410") for _ in range(times))


def test_ten_refusals_in_a_row_open():
    """Ten refused requests with nothing delivered in between open it, not one less, and each of the ten is its event's
    own fault.
    """
    breaker = Breaker(POLICY)
    assert (refuse(breaker, REFUSALS - 1), breaker.closed) == (REFUSALS - 1, True)
    assert breaker.state(0) == "running; the last try failed: HTTP 410"
    assert (refuse(breaker, 1), breaker.closed) == (1, False)
    assert breaker.state(0) == "open: 10 requests in a row were refused: HTTP 410; next try in 5 seconds"


def test_a_delivery_in_between_keeps_it_closed():
    """However many are refused between deliveries, they are the events' own."""
    breaker = Breaker(POLICY)
    for _ in range(50):
        assert refuse(breaker, REFUSALS - 1) == REFUSALS - 1
        breaker.succeeded(breaker.start())
    assert (breaker.closed, breaker.why) == (True, "")


def test_only_deliveries_count_as_such():
    """Failures in between, and sends of which nothing was taken, are no delivery."""
    breaker = Breaker(POLICY)
    for number in range(REFUSALS):
        assert breaker.closed
        refuse(breaker, 1)
        if number < REFUSALS - 1:
            breaker.failed(breaker.start(), 0.0, "HTTP 503", None)
            breaker.succeeded(breaker.start(), delivered=False)
    assert breaker.refuses_all


def test_probes_that_are_refused_count_against_nobody():
    """While it is open, a refusal makes the next wait longer and is nobody's fault; a failure does no more, and what
    says nothing of the others leaves it as it is. A delivery closes it, and the next ten may be refused again.
    """
    breaker = Breaker(POLICY)
    refuse(breaker, REFUSALS)
    assert refuse(breaker, 5) == 0
    assert (breaker.closed, breaker.wait(0)) == (False, 15)
    breaker.failed(breaker.start(), 15.0, "HTTP 503", None)
    breaker.succeeded(breaker.start(), delivered=False)
    assert (breaker.refuses_all, breaker.wait(15)) == (True, 45)
    breaker.succeeded(breaker.start())
    assert (breaker.closed, breaker.state(60)) == (True, "running")
    assert (refuse(breaker, REFUSALS), breaker.closed) == (REFUSALS, False)


def test_a_refusal_of_before_is_nobodys():
    """A send that began before it opened and is refused after that counts against nobody, and changes nothing."""
    breaker = Breaker(POLICY)
    old = breaker.start()
    refuse(breaker, REFUSALS)
    assert not breaker.refused(old, 4.0, "late")
    assert breaker.wait(4) == 1


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("answer", [GONE, Split("answered 413", 413)])
async def test_ten_die_and_the_rest_waits(bench, logged, concurrency, answer):
    """Where everything is refused ten events die, however many sends were under way, and all others wait, those that
    probed too; the log has one line. When it works again everything arrives.
    """
    await bench.append(*(f"m{number}" for number in range(100)))
    destination = Scripted(otherwise=answer)
    await bench.start(destination, plan(concurrency=concurrency))
    for _ in range(20):
        await bench.pass_time(3600)
    assert (await bench.totals())["DEAD"] == REFUSALS
    assert len(destination.seen) > REFUSALS + 20
    assert bench.worker.state.startswith("open: 10 requests in a row were refused: answered 41")
    (warning,) = [entry for entry in logged if entry["log_level"] == "warning"]
    assert (warning["event"], warning["dead_letters"]) == (WARNING, REFUSALS)
    destination.otherwise = Delivered()
    await bench.pass_time(300)
    assert await bench.totals() == {"DELIVERED": 100 - REFUSALS, "DEAD": REFUSALS}
    assert bench.worker.state == "running"
    assert len([entry for entry in logged if entry["log_level"] in {"warning", "info"}]) == 2


async def test_refusals_between_deliveries(bench, logged):
    """Refused events between others are dead letters at once, as many as there are; the log has a line a burst."""
    ids = [f"m{number}" for number in range(100)]
    await bench.append(*ids)
    destination = Scripted({one: [GONE] for number, one in enumerate(ids) if number % 10})
    await bench.start(destination, plan(concurrency=1))
    assert await bench.totals() == {"DELIVERED": 10, "DEAD": 90}
    assert bench.worker.state.startswith("running")
    await bench.pass_time(60)
    await bench.append("good")
    await bench.pass_time(1)
    (first, second) = told(logged, BURST)
    assert (first["dead_letters"], second["dead_letters"], first["refused_because"]) == (9, 81, GONE.why)
    assert not told(logged, WARNING)


async def test_what_was_not_asked_says_nothing(bench):
    """Events that are refused before anybody is asked are dead letters, and no outage."""
    await bench.append(*(f"m{number}" for number in range(50)))
    await bench.start(Scripted(otherwise=Refused("is too large")))
    assert await bench.totals() == {"DEAD": 50}
    assert bench.worker.state == "running"


@pytest.mark.parametrize("single", [True, False])
async def test_batches(bench, single):
    """Items that are refused by name out of their batches are dead letters, however many; a batch that is refused as a
    whole is halved, and no more than ten of its events die.
    """
    answer = [GONE] if single else [Split(GONE.why, 410)]
    await bench.append(*(f"m{number}" for number in range(64)))
    limits = plan(concurrency=2)._replace(batch=BatchLimits(16, 1 << 20, 0.0))
    await bench.start(Batched(lambda ids: answer * len(ids)), limits)
    await bench.pass_time(3600)
    assert (await bench.totals())["DEAD"] == (64 if single else REFUSALS)


async def test_good_events_among_thousands_that_are_refused(bench):
    """Events that are refused for good, of another kind than those behind them, keep those waiting for no probe."""
    await bench.append(*(f"bad{number}" for number in range(1500)), name="Poison")
    await bench.append(*(f"good{number}" for number in range(20)), name="Good")
    destination = Scripted({f"bad{number}": [GONE] * 999 for number in range(1500)})
    await bench.start(destination)
    for _ in range(5):
        await bench.pass_time(1)
    assert len(destination.delivered) == 20


async def test_an_outage_of_failures_that_ends_in_refusals(bench):
    """One that first fails and then refuses everything costs ten events too."""
    await bench.append(*(f"m{number}" for number in range(50)))
    destination = Scripted(otherwise=Retry("HTTP 503"))
    await bench.start(destination)
    destination.otherwise = GONE
    for _ in range(40):
        await bench.pass_time(300)
    assert (await bench.totals())["DEAD"] == REFUSALS
