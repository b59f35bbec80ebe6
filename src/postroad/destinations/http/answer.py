"""What an HTTP answer means for the event that was sent: pure, and the same for every service.

| status | outcome |
|---|---|
| 2xx | delivered |
| 408, 423, 425, 429, 5xx but 501 | retry, not before Retry-After |
| 401, 403 | pause: the credentials are wrong |
| 413 | split |
| anything else | refused; redirects are not followed, 410 is for good |
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, NamedTuple

from postroad.clock import MICROSECONDS
from postroad.destinations.base import Delivered, Pause, Refused, Retry, SendResult, Split

MAX_RETRY_AFTER: Final = 3600.0

_RETRY: Final = frozenset({408, 423, 425, 429, *range(500, 600)} - {501})
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


class ServiceAnswer(NamedTuple):
    """What came back. `headers` ignores case, `body` is cut after 64 KiB, `excerpt` is for people: one
    printable line of at most 1 KiB without our secrets.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    excerpt: str


def outcome_of(answer: ServiceAnswer, now: int) -> SendResult:
    """Return what became of the event by the table above; `now` is for a Retry-After that is a date."""
    status, excerpt = answer.status, answer.excerpt
    said = f"answered {status} {_PHRASES.get(status, '')}".rstrip()
    if 200 <= status < 300:  # noqa: PLR2004 -- the table above
        return Delivered()
    if status in _RETRY:
        return Retry(said, retry_after(answer.headers.get("Retry-After"), now), status, excerpt)
    if status in {401, 403}:
        return Pause(f"{said}: the credentials are missing or wrong", status, excerpt)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Split(said, status, excerpt)
    if 300 <= status < 400:  # noqa: PLR2004 -- the table above
        return Refused(f"{said}: redirects are not followed, configure the final address", status, excerpt)
    return Refused(said, status, excerpt)


def retry_after(value: str | None, now: int) -> float | None:
    """Return the seconds a Retry-After header asks for, an hour at most.

    None for everything that asks for no wait: absent, zero, negative, in the past or not understood. The
    delivery engine's own schedule decides then, so a nonsensical header can neither hurry nor stop us.
    """
    text = (value or "").strip()
    # float and not int: thousands of digits would be an error.
    seconds = float(text) if text.isascii() and text.isdigit() else _seconds_until(text, now)
    return min(seconds, MAX_RETRY_AFTER) if seconds > 0 else None


def _seconds_until(date: str, now: int) -> float:
    try:
        moment = parsedate_to_datetime(date)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - datetime.fromtimestamp(now / MICROSECONDS, UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
