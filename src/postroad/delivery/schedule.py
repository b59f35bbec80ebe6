"""When a failed delivery is tried again, and when it is given up: pure arithmetic."""

from typing import Final

from postroad.clock import MICROSECONDS
from postroad.config.model import RetryPolicy

LONGEST_RETRY_AFTER = 3600.0
"""Seconds; a destination that asks for more is asked again after this."""

_SHORTEST_RETRY_AFTER = 1.0
# Name, length in seconds, and from which length on it is used: a day is better known as 24 hours.
_UNITS: Final = (("day", 86400, 172800), ("hour", 3600, 3600), ("minute", 60, 60), ("second", 1, 1))


def interval(policy: RetryPolicy, tries: int, asked: float | None, chance: float) -> float:
    """Return the seconds to wait after the `tries`-th failure.

    `asked` is what the destination asked for (Retry-After), which wins within bounds. `chance`, from 0 to 1,
    spreads the answer by up to a fifth either way, or, when we were asked, upwards only.
    """
    if asked is not None:
        return bounded(asked) * (1 + 0.2 * chance)
    exponent = min(tries - 1, 64)
    try:
        grown = policy.first * policy.factor**exponent
    except OverflowError:
        grown = policy.max_interval
    return min(grown, policy.max_interval) * (0.8 + 0.4 * chance)


def bounded(asked: float) -> float:
    """Return the seconds that a destination asked for, within what we allow it to ask for."""
    return max(_SHORTEST_RETRY_AFTER, min(asked, LONGEST_RETRY_AFTER))  # in this order NaN becomes the shortest


def due_at(policy: RetryPolicy, *, now: int, first_at: int, wait: float) -> int | None:
    """Return when to try again (microseconds), or None when the event would be too old by then."""
    due = now + round(wait * MICROSECONDS)
    return due if due <= first_at + round(policy.max_age * MICROSECONDS) else None


def longest_wait(policy: RetryPolicy) -> int:
    """Return the longest time (microseconds) that a retry can lie ahead; one further ahead was written by a wall clock
    that was set back since, or under longer settings.
    """
    return round(max(policy.max_interval, LONGEST_RETRY_AFTER) * 1.2 * MICROSECONDS)


def is_due(due_at: int, now: int, longest: float) -> bool:
    """Tell whether a retry's time has come. One that is further ahead than `longest` is due as well: no interval is
    that long, so it was written by a clock that was set back since, or under longer settings.
    """
    return not now < due_at <= now + longest


def in_words(seconds: float) -> str:
    """Write a duration for people: `24 hours`, `1.5 minutes`, `500 ms`."""
    if seconds < 1:
        return f"{max(1, round(seconds * 1000))} ms"
    unit, length, _ = next(unit for unit in _UNITS if seconds >= unit[2])
    count = f"{seconds / length:.3g}"
    return f"{count} {unit}" if count == "1" else f"{count} {unit}s"
