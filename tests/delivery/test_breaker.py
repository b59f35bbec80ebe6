"""The breaker and the rate limit: pure state and arithmetic."""

import math

import pytest
from bench import POLICY
from hypothesis import given
from hypothesis import strategies as st

from postroad.clock import ManualClock
from postroad.config.model import Rate
from postroad.delivery.breaker import FAILURES, LONGEST_WAIT, MOST_PATIENCE, Breaker
from postroad.delivery.rate import RateLimit
from postroad.delivery.schedule import LONGEST_RETRY_AFTER, in_words
from postroad.rate import TokenBucket


def fail(breaker: Breaker, times: int, now: float = 0.0, asked: float | None = None) -> None:
    """Let whole sends fail, one after the other."""
    for _ in range(times):
        breaker.failed(breaker.start(), now, "HTTP 503", asked)


def test_failures_in_a_row_open():
    """So many whole sends failing in a row open it, not one less; it says why, and when it tries again."""
    breaker = Breaker(POLICY)
    fail(breaker, FAILURES - 1)
    assert (breaker.closed, breaker.wait(0)) == (True, 0)
    fail(breaker, 1)
    assert (breaker.closed, breaker.wait(0), breaker.wait(3)) == (False, 5, 2)
    assert breaker.state(0) == "open: HTTP 503; next try in 5 seconds"


def test_a_success_between_failures_keeps_it_closed():
    """An event that always fails opens nothing as long as others succeed."""
    breaker = Breaker(POLICY)
    for _ in range(50):
        fail(breaker, FAILURES - 1)
        breaker.succeeded(breaker.start())
    assert breaker.closed


def test_a_failure_shows_until_a_success():
    """While it is closed it says why the last send failed, until one succeeds."""
    breaker = Breaker(POLICY)
    fail(breaker, 1)
    assert breaker.state(0) == "running; the last try failed: HTTP 503"
    breaker.succeeded(breaker.start())
    assert breaker.state(0) == "running"


def test_one_probe_at_a_time():
    """When its time has come one send may start, and no other until that has ended; its success closes."""
    breaker = Breaker(POLICY)
    fail(breaker, FAILURES)
    assert breaker.wait(5) == 0
    probe = breaker.start()
    assert (breaker.wait(5), breaker.state(5)) == (math.inf, "open: HTTP 503; trying now")
    breaker.succeeded(probe)
    assert (breaker.closed, breaker.wait(5), breaker.state(5)) == (True, 0, "running")
    fail(breaker, FAILURES - 1)
    assert breaker.closed


def test_probes_get_rarer():
    """Each probe that fails makes the next wait longer, up to the longest; a success starts over."""
    breaker, now, waits = Breaker(POLICY), 0.0, []
    fail(breaker, FAILURES)
    for _ in range(7):
        waits.append(breaker.wait(now))
        now += waits[-1]
        fail(breaker, 1, now)
    assert waits == [5, 15, 45, 135, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    now += LONGEST_WAIT
    breaker.succeeded(breaker.start())
    fail(breaker, FAILURES, now)
    assert breaker.wait(now) == 5


@pytest.mark.parametrize(
    ("asked", "first", "second"),
    [(120, 120, 120), (2, 2, 15), (-9, 1, 15), (1e9, LONGEST_RETRY_AFTER, LONGEST_RETRY_AFTER), (math.nan, 1, 15)],
)
def test_retry_after_is_honoured_within_bounds(asked, first, second):
    """A probe is never sooner than the destination asked for, within bounds, and after the first none sooner than
    the growing wait.
    """
    breaker = Breaker(POLICY)
    fail(breaker, FAILURES, 0, asked)
    assert breaker.wait(0) == first
    fail(breaker, 1, first, asked)
    assert breaker.wait(first) == second


def test_a_pause_opens_at_once():
    """What needs somebody to act opens it at the first time, and says so."""
    breaker = Breaker(POLICY)
    breaker.paused(breaker.start(), 0, "HTTP 401")
    assert breaker.state(0) == "paused: HTTP 401; next try in 5 seconds"
    breaker.failed(breaker.start(), 5, "HTTP 503", None)
    assert breaker.state(5) == "open: HTTP 503; next try in 15 seconds"


def test_sends_of_before_are_not_listened_to():
    """A send that began before it opened neither closes nor prolongs it."""
    breaker = Breaker(POLICY)
    old = breaker.start()
    fail(breaker, FAILURES)
    breaker.succeeded(old)
    breaker.failed(old, 4, "late", 1000)
    breaker.paused(old, 4, "late")
    assert (breaker.closed, breaker.wait(4)) == (False, 1)
    breaker.start()
    breaker.succeeded(old)
    assert breaker.wait(5) == math.inf


@given(st.floats(0.1, 1e5), st.lists(st.tuples(st.integers(1, 500), st.floats(0, 10)), min_size=1, max_size=50))
def test_a_bucket_keeps_its_rate(rate, takes):
    """Whatever is taken when, what may be used by a moment is never more than the rate plus a small burst."""
    bucket, now, used, burst = TokenBucket(rate, 0.0), 0.0, 0, max(1.0, rate / 10)
    for count, pause in takes:
        now += pause
        ready = now + bucket.take(count, now)
        used += count
        assert used <= ready * rate + burst + 1e-6 * used
        now = ready


def test_a_bucket_holds_back_no_longer_than_needed():
    """At twice the rate every second one waits for half of the time."""
    bucket = TokenBucket(10, 0.0)
    assert [bucket.take(1, 0.0), bucket.take(1, 0.0), bucket.take(1, 0.1)] == pytest.approx([0, 0.1, 0.1])
    assert bucket.take(1, 10.0) == 0


async def test_without_a_rate_nothing_waits():
    """No limit costs no time; with two the longer wait counts."""
    clock = ManualClock()
    free = RateLimit(Rate(), clock)
    for _ in range(100):
        await free.turn(1000)
    both = RateLimit(Rate(events=1000, requests=1), clock)
    await both.turn(1)
    waits = both.turn(1)
    future = waits.send(None)
    clock.advance(0.99)
    assert not future.done()
    clock.advance(0.01)
    assert future.done()
    waits.close()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0001, "1 ms"),
        (0.5, "500 ms"),
        (1, "1 second"),
        (90, "1.5 minutes"),
        (60, "1 minute"),
        (3600, "1 hour"),
        (86400, "24 hours"),
        (7 * 86400, "7 days"),
    ],
)
def test_durations_in_words(seconds, words):
    """People read durations in the unit they would use."""
    assert in_words(seconds) == words


def test_a_false_alarm_makes_it_patient():
    """An opening that the first probe disproves doubles how many failures it bears, up to a bound; each success takes
    one off, an outage all of it.
    """
    breaker, borne = Breaker(POLICY), []
    for _ in range(10):
        borne.append(failures_to_open(breaker))
        breaker.succeeded(breaker.start())
        assert breaker.false_alarm
    assert borne == [5, 10, 20, 40, 80, 160, 320, 640, MOST_PATIENCE, MOST_PATIENCE]
    for _ in range(MOST_PATIENCE - 30):
        breaker.succeeded(breaker.start())
    assert failures_to_open(breaker) == 30
    fail(breaker, 1, 5)
    breaker.succeeded(breaker.start())
    assert not breaker.false_alarm
    assert failures_to_open(breaker) == FAILURES


def failures_to_open(breaker: Breaker) -> int:
    """Let it fail until it opens."""
    count = 0
    while breaker.closed:
        fail(breaker, 1)
        count += 1
    return count


def test_fresh_events_probe_what_failed_before_opened():
    """While only retries failed fresh events may probe at once, a few and one at a time; a pause lets nobody."""
    breaker = Breaker(POLICY)
    for _ in range(FAILURES):
        breaker.failed(breaker.start(), 0.0, "HTTP 503", None, fresh=False)
    wait = breaker.wait(0)
    for _ in range(FAILURES - 1):
        assert breaker.doubtful
        era = breaker.start()
        assert (breaker.doubtful, breaker.wait(0)) == (False, math.inf)
        breaker.failed(era, 0.0, "HTTP 503", None)
        assert breaker.wait(0) == wait
    breaker.failed(breaker.start(), 0.0, "HTTP 503", None)
    assert (breaker.doubtful, breaker.wait(0)) == (False, 3 * wait)
    paused = Breaker(POLICY)
    paused.paused(paused.start(), 0.0, "HTTP 401")
    assert not paused.doubtful
