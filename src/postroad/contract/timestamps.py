"""The `timestamp` of a call: what is accepted, and the form it is stored in."""

import re
from datetime import UTC, datetime, timedelta

_LEAP_SECOND = re.compile(r"(?<=:\d\d):60(?=[.,Zz+-]|$)")
_CHARACTERS = re.compile(r"[0-9TtWZz:.,+ -]+")  # Python's parser takes any separator, and NULs
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEPARATORS = "--T::"
"""Every third character from the fifth on of `2024-01-15T10:30:00`."""


def check_timestamp(text: str) -> str | None:
    """Return a client's ISO 8601 date-time in the form to store, or None when it is none.

    A time as RFC 3339 writes it stays as it came. The rest of ISO 8601 (basic form, week dates, decimal
    comma, no zone, no time) is written that way; no zone means UTC. A leap second becomes the second
    before it, which every reader knows.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        earlier = _second_before(text)
        return None if earlier is None else _write(earlier)
    if text[4:17:3] == _SEPARATORS and (text[-1] == "Z" or text[-6] in "+-") and text[19] in ".Z+-":
        return text
    return _write(moment) if _CHARACTERS.fullmatch(text) else None


def from_milliseconds(value: int) -> str | None:
    """Return integer milliseconds since 1970 UTC as ISO 8601, or None outside the years 1 to 9999."""
    try:
        return _write(_EPOCH + timedelta(milliseconds=value))
    except OverflowError:
        return None


def _second_before(text: str) -> datetime | None:
    """Return the second before the leap second that a text names, None when it names none."""
    earlier, count = _LEAP_SECOND.subn(":59", text)
    if not count:
        return None
    try:
        return datetime.fromisoformat(earlier)
    except ValueError:
        return None


def _write(moment: datetime) -> str:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    finest = "microseconds" if aware.microsecond % 1000 else "milliseconds"
    return aware.isoformat(timespec=finest).replace("+00:00", "Z")
