"""When a failed delivery is tried again, and when it is given up: pure arithmetic."""

from typing import NamedTuple

from postroad.clock import MICROSECONDS

LONGEST_RETRY_AFTER = 3600.0
"""Seconds; a destination that asks for more is asked again after this."""

_SHORTEST_RETRY_AFTER = 1.0


class RetryPolicy(NamedTuple):
    """Seconds: the first interval, what each next one is multiplied with, the longest, and the age at which
    an event is given up, counted from its first real attempt.
    """

    first: float
    factor: float
    max_interval: float
    max_age: float


def interval(policy: RetryPolicy, tries: int, asked: float | None, chance: float) -> float:
    """Return the seconds to wait after the `tries`-th failure.

    `asked` is what the destination asked for (Retry-After), which wins within bounds. `chance`, from 0 to 1,
    spreads the answer by up to a fifth either way, or, when we were asked, upwards only.
    """
    if asked is not None:
        # In this order not even NaN gets out of bounds.
        return max(_SHORTEST_RETRY_AFTER, min(asked, LONGEST_RETRY_AFTER)) * (1 + 0.2 * chance)
    exponent = min(tries - 1, 64)
    try:
        grown = policy.first * policy.factor**exponent
    except OverflowError:
        grown = policy.max_interval
    return min(grown, policy.max_interval) * (0.8 + 0.4 * chance)


def due_at(policy: RetryPolicy, *, now: int, first_at: int, wait: float) -> int | None:
    """Return when to try again (microseconds), or None when the event would be too old by then."""
    due = now + round(wait * MICROSECONDS)
    return due if due <= first_at + round(policy.max_age * MICROSECONDS) else None
