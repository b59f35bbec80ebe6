"""Times as people write them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_moment(text: str) -> int:
    """Return microseconds since 1970 for ISO 8601, in UTC unless it says otherwise. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
