"""The times of a call: what is accepted, and the form it is stored in.

Accepted is the `date-time` of RFC 3339, section 5.6, in full: any number of digits of a second, an offset or
`Z`, `t` and `z` in lower case, a space for the `T`, `-00:00`, and second 60. Python's and Go's clients write
microseconds and nanoseconds in it. Beyond it only what clients are known to send:

- no zone, which means UTC: callers that wrote their own client, and Python's `datetime` without a zone;
- integer milliseconds since 1970 UTC, as a JSON number: the iOS SDK's push metrics.

Nothing else is a time: no date alone, no `+0100` without its colon, no week dates, no digits in text. A guess at
one would be a wrong time that nobody notices. The year 0000, which RFC 3339 can write, is none either: neither
Python's `datetime` nor the databases that we write to have it.

Stored is always RFC 3339 with `T`, and `Z` or an offset. What came so stays as it came, digit for digit; the rest is
written so. A second 60 becomes the second before it, whatever the minute: every reader knows that one.
"""

import re
from datetime import UTC, date, datetime, timedelta

_DATE = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_MINUTE = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_FRACTION = r"\.[0-9]+"
_OFFSET = rf"[+-]{_MINUTE}"
_STORED = re.compile(rf"{_DATE}T{_MINUTE}:[0-5][0-9](?:{_FRACTION})?(?:Z|{_OFFSET})")
_ACCEPTED = re.compile(rf"({_DATE})[Tt ]({_MINUTE}):([0-5][0-9]|60)({_FRACTION})?([Zz]|{_OFFSET})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAP = "60"
_MILLISECONDS = len(".000")


def check_timestamp(text: str) -> str | None:
    """Return a client's date-time in the form to store, or None when it is none."""
    stored = text if _STORED.fullmatch(text) else _write(text)
    return stored if stored is not None and _is_day(stored) else None


def _write(text: str) -> str | None:
    """Return a date-time of another accepted form as it is stored."""
    found = _ACCEPTED.fullmatch(text)
    if found is None:
        return None
    day, minute, second, fraction, zone = found.groups()
    second = "59" if second == _LEAP else second
    return f"{day}T{minute}:{second}{(fraction or '.').ljust(_MILLISECONDS, '0')}{(zone or 'Z').upper()}"


def _is_day(stored: str) -> bool:
    """Tell whether the calendar has the day; it has every 28th, but not in the year 0000."""
    if stored[8:10] <= "28" and stored[:4] != "0000":
        return True
    try:
        date.fromisoformat(stored[:10])
    except ValueError:
        return False
    return True


def from_milliseconds(value: int) -> str | None:
    """Return integer milliseconds since 1970 UTC in the form to store, or None outside the years 1 to 9999."""
    try:
        moment = _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
