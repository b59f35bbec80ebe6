"""The pure part of delivery: routing, the schedule, and the verdict on an attempt."""

import pytest
from bench import POLICY, stored
from hypothesis import given
from hypothesis import strategies as st

from postroad.clock import MICROSECONDS
from postroad.config.model import RetryPolicy
from postroad.contract.email import Kind
from postroad.delivery.items import Item
from postroad.delivery.routing import Route, filter_of
from postroad.delivery.schedule import LONGEST_RETRY_AFTER, due_at, interval
from postroad.delivery.verdict import judge
from postroad.destinations.base import Delivered, Event, Pause, Refused, Retry, Split
from postroad.destinations.dedup import KeyForm
from postroad.ledger.base import Attempt, DeadLetter, Outcome, RetryRow
from postroad.log.base import Record

NOW = 1_000 * MICROSECONDS
HALF = 0.5
INTEGRATIONS = Outcome.FILTERED_INTEGRATIONS
EVENTS = Outcome.FILTERED_EVENTS
DISABLED = Outcome.FILTERED_DISABLED


@pytest.mark.parametrize(
    ("integrations", "rule"),
    [
        (None, None),
        ({}, None),
        ({"Hook": True}, None),
        ({"Hook": False}, INTEGRATIONS),
        ({"hook": False}, None),
        ({"Hook": {"option": 1}}, None),
        ({"Hook": "yes"}, None),
        ({"All": False}, INTEGRATIONS),
        ({"all": False}, INTEGRATIONS),
        ({"All": False, "Hook": True}, None),
        ({"All": True, "Hook": False}, INTEGRATIONS),
        ({"All": "no"}, INTEGRATIONS),
        ({"All": False, "Other": True}, INTEGRATIONS),
    ],
)
def test_integrations_decide(integrations, rule):
    """What an event's integrations keep from a destination is recorded under that rule."""
    assert filter_of(Route(("Hook",), None, enabled=True), stored(integrations=integrations)) == rule


@pytest.mark.parametrize(
    ("events", "name", "kind", "rule"),
    [
        (None, "Order Placed", None, None),
        ({"Order Placed"}, "Order Placed", None, None),
        ({"Order Placed"}, "order placed", None, EVENTS),
        ({"Email Opened"}, "Order Placed", None, EVENTS),
        ({"Email Opened"}, "email_open", Kind.OPENED, None),
        ({"Email Opened"}, "email_bounce", Kind.BOUNCED, EVENTS),
        (set(), "Order Placed", None, EVENTS),
    ],
)
def test_events_list_decides(events, name, kind, rule):
    """A destination's list takes events by the name they came with or the semantic name of their kind."""
    listed = None if events is None else frozenset(events)
    assert filter_of(Route(("Hook",), listed, enabled=True), stored(name, kind=kind)) == rule


def test_first_rule_is_the_recorded_one():
    """Where several rules keep an event out, the recorded one is disabled, then integrations, then events."""
    event = stored("Other", integrations={"Hook": False})
    assert filter_of(Route(("Hook",), frozenset(), enabled=False), event) == DISABLED
    assert filter_of(Route(("Hook",), frozenset(), enabled=True), event) == INTEGRATIONS


def test_intervals_grow_to_the_cap():
    """Each interval is the one before times the factor, up to the longest."""
    waits = [interval(POLICY, tries, None, HALF) for tries in range(1, 10)]
    assert waits == [5, 15, 45, 135, 405, 1215, 3600, 3600, 3600]


@given(
    tries=st.integers(1, 10**9),
    factor=st.floats(1, 1e300),
    chance=st.floats(0, 1),
)
def test_intervals_stay_within_a_fifth(tries, factor, chance):
    """However often it failed and however fast intervals grow, a wait is within a fifth of the capped interval."""
    policy = RetryPolicy(first=5, factor=factor, max_interval=3600, max_age=86400)
    wait = interval(policy, tries, None, chance)
    middle = interval(policy, tries, None, HALF)
    assert 5 <= middle <= 3600
    assert middle * 0.7999 <= wait <= middle * 1.2001


@pytest.mark.parametrize(
    ("asked", "low", "high"),
    [
        (120, 120, 144),
        (0, 1, 1.2),
        (-5, 1, 1.2),
        (1e9, LONGEST_RETRY_AFTER, LONGEST_RETRY_AFTER * 1.2),
        (float("inf"), LONGEST_RETRY_AFTER, LONGEST_RETRY_AFTER * 1.2),
        (float("nan"), 1, 1.2),
    ],
)
def test_retry_after_wins_within_bounds(asked, low, high):
    """What the destination asked for is kept to, never sooner and a fifth later at most, between 1 s and 1 h."""
    assert interval(POLICY, 1, asked, 0.0) == pytest.approx(low)
    assert interval(POLICY, 1, asked, 1.0) == pytest.approx(high)


def test_age_ends_retries():
    """A try that would come later than the greatest age after the first is not made."""
    last = NOW + 86400 * MICROSECONDS
    assert due_at(POLICY, now=last - 5 * MICROSECONDS, first_at=NOW, wait=5) == last
    assert due_at(POLICY, now=last - 5 * MICROSECONDS + 1, first_at=NOW, wait=5) is None


def item(*, tries: int = 0, first_at: int = 0) -> Item:
    """Return an item as the worker has it before an attempt."""
    event = Event(7, "us", "app", "m1", 0, "track", "Order Placed", None, (), b"{}", "key")
    return Item(event, Record(7, b"key", b"value"), tries, first_at)


def middle() -> float:
    """Stand for the dice."""
    return HALF


def test_delivered_needs_no_rows():
    """A delivered event is its outcome and nothing else."""
    assert judge(Delivered(), item(), POLICY, NOW, middle) == (Outcome.DELIVERED, None, None, None)


def test_first_failure_begins_the_age():
    """A first failure is due again after the first interval, its age counted from now, the answer kept."""
    verdict = judge(Retry("HTTP 503", None, 503, "busy"), item(), POLICY, NOW, middle)
    row = RetryRow(7, NOW + 5 * MICROSECONDS, 1, NOW, "HTTP 503", form=KeyForm.DIGEST)
    assert verdict == (Outcome.RETRY, row, None, Attempt(7, NOW, 503, "HTTP 503", "busy"))


def test_later_failure_keeps_the_age():
    """A later failure counts one more try, waits longer and keeps the time of the first."""
    verdict = judge(Retry("again"), item(tries=2, first_at=50), RetryPolicy(5, 3, 3600, 1e6), NOW, middle)
    assert verdict.retry == RetryRow(7, NOW + 45 * MICROSECONDS, 3, 50, "again", form=KeyForm.DIGEST)


@pytest.mark.parametrize("tried", [Refused("HTTP 400", 400, "no"), Split("HTTP 400", 400, "no")])
def test_refused_is_dead_at_once(tried):
    """What can't succeed, or is too large alone, is dead with its bytes, name, reason and this attempt."""
    verdict = judge(tried, item(), POLICY, NOW, middle)
    letter = DeadLetter(7, b"key", b"value", "Order Placed", "HTTP 400", NOW, NOW, 1, KeyForm.DIGEST)
    assert verdict == (Outcome.DEAD, None, letter, Attempt(7, NOW, 400, "HTTP 400", "no"))


def test_pause_uses_up_no_try():
    """An event that met a pause keeps its tries, has no age yet, and is due as soon as the breaker lets it."""
    verdict = judge(Pause("HTTP 401", 401), item(), POLICY, NOW, middle)
    assert verdict.retry == RetryRow(7, NOW, 0, 0, "HTTP 401", form=KeyForm.DIGEST)
    assert verdict.outcome == Outcome.RETRY


def test_too_old_is_dead():
    """The failure after which no try fits into the age is the last: dead, with the last reason in the sentence."""
    now = NOW + 86400 * MICROSECONDS
    verdict = judge(Retry("HTTP 503"), item(tries=30, first_at=NOW), POLICY, now, middle)
    assert verdict.outcome == Outcome.DEAD
    assert verdict.dead is not None
    assert (verdict.dead.tries, verdict.dead.first_at, verdict.dead.died_at) == (31, NOW, now)
    assert verdict.dead.why == "given up after 31 tries in 24 hours; the last: HTTP 503"
