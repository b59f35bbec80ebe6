"""What a status and a Retry-After mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.clock import ManualClock
from postroad.destinations.base import Delivered, Pause, Refused, Retry, Split
from postroad.destinations.http.answer import ServiceAnswer, outcome_of, retry_after

NOW = ManualClock().now()  # Tue, 14 Nov 2023 22:13:20 GMT

OUTCOMES = {
    Delivered: {*range(200, 300)},
    Retry: {408, 423, 425, 429, 500, *range(502, 600)},
    Pause: {401, 403},
    Split: {413},
}


def test_every_status_has_its_outcome() -> None:
    """Each status leads to the documented outcome, and whatever is not listed is refused."""
    for status in range(100, 1000):
        expected = next((kind for kind, statuses in OUTCOMES.items() if status in statuses), Refused)
        outcome = outcome_of(ServiceAnswer(status, {}, b"no", "no"), NOW)
        assert (status, type(outcome)) == (status, expected)
        if not isinstance(outcome, Delivered):
            assert outcome.why.startswith(f"answered {status}")
            assert (outcome.status, outcome.answer) == (status, "no")


def test_a_redirect_says_what_to_do() -> None:
    """A redirect is refused with the advice to configure the final address."""
    outcome = outcome_of(ServiceAnswer(302, {"Location": "http://10.0.0.1/?token=t"}, b"", ""), NOW)
    assert outcome == Refused("answered 302 Found: redirects are not followed, configure the final address", 302)


def test_a_retry_waits_as_asked() -> None:
    """The Retry-After of a retryable answer is handed on."""
    outcome = outcome_of(ServiceAnswer(429, {"Retry-After": "17"}, b"", ""), NOW)
    assert outcome == Retry("answered 429 Too Many Requests", 17.0, 429)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", None),
        ("-5", None),
        ("1", 1.0),
        (" 120 ", 120.0),
        ("3600", 3600.0),
        ("31536000", 3600.0),
        ("9" * 8000, 3600.0),
        ("000030", 30.0),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("٣", None),
        ("inf", None),
        ("nan", None),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tuesday, 14-Nov-23 22:14:20 GMT", 60.0),
        ("Tue Nov 14 22:14:20 2023", 60.0),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60.0),
        ("Tue, 14 Nov 2023 22:13:20 GMT", None),
        ("Wed, 15 Nov 2000 00:00:00 GMT", None),
        ("Fri, 14 Nov 2053 22:13:20 GMT", 3600.0),
        ("Tue, 99 Nov 2023 22:14:20 GMT", None),
        ("Tue, 14 Nov 99999999999999999999 22:14:20 GMT", None),
        ("Tue, 14 Nov 9999 22:14:20 -2359", 3600.0),
    ],
)
def test_retry_after_is_read_within_bounds(value: str | None, seconds: float | None) -> None:
    """Seconds and dates are understood, capped at an hour; whatever asks for no wait counts as not said."""
    assert retry_after(value, NOW) == seconds


@given(st.one_of(st.text(), st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ .*")))
def test_retry_after_never_fails(value: str) -> None:
    """Any text gives a wait between zero and an hour, or none."""
    seconds = retry_after(value, NOW)
    assert seconds is None or 0 < seconds <= 3600
