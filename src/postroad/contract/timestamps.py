"""The `timestamp` of a call: what is accepted, and the form it is stored in."""

import re
from datetime import UTC, datetime, timedelta

_LEAP_SECOND = re.compile(r"(?<=:\d\d):60(?=[.,Zz+-]|$)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_timestamp(text: str) -> str | None:
    """Return a client's ISO 8601 date-time in the form to store, or None when it is none.

    A time with a zone stays as it came. One without a zone, or a bare date, is taken as UTC and says so
    afterwards. A leap second (RFC 3339 allows :60) becomes the second before it, which every reader knows.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment_or_none = _without_leap_second(text)
        if moment_or_none is None:
            return None
        return _write(moment_or_none)
    if moment.tzinfo is not None and text[10] in "Tt ":
        return text
    return _write(moment)


def from_milliseconds(value: int) -> str | None:
    """Return integer milliseconds since 1970 UTC as ISO 8601, or None outside the years 1 to 9999."""
    try:
        return _write(_EPOCH + timedelta(milliseconds=value))
    except OverflowError:
        return None


def _without_leap_second(text: str) -> datetime | None:
    earlier, count = _LEAP_SECOND.subn(":59", text)
    if not count:
        return None
    try:
        return datetime.fromisoformat(earlier)
    except ValueError:
        return None


def _write(moment: datetime) -> str:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.isoformat(timespec="milliseconds").replace("+00:00", "Z")
