"""Requests: the same limits and sentences for whoever asks."""

import pytest

from postroad.clock import MICROSECONDS, ManualClock
from postroad.errors import UsageError
from postroad.operations.asking import WrongField, read, read_json
from postroad.operations.dead import DeadChange, DeadQuery
from postroad.operations.replays import ReplayWanted

NOW = 1_700_000_000 * MICROSECONDS


def query(**given):
    """Read what a query says, in which all is text."""
    return read(DeadQuery, given, ManualClock(NOW), strict=False)


@pytest.mark.parametrize(
    ("since", "expected"),
    [("5", 5), ("1h", NOW - 3600 * MICROSECONDS), ("1970-01-01T00:00:00.000002Z", 2), (7, 7)],
)
def test_times(since, expected):
    """A time is microseconds, ISO 8601, or a duration ago, in whichever request."""
    assert query(since=since).since == expected
    wanted = {"region": "us", "destination": "crm", "from": since}
    assert read(ReplayWanted, wanted, ManualClock(NOW)).since == expected


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"limit": "0"}, "limit: must be a whole number >= 1"),
        ({"limit": "1001"}, "limit: must be a whole number <= 1000"),
        ({"limit": "many"}, "limit: must be a whole number, not a text"),
        ({"colour": "red"}, "colour: is not known"),
        (
            {"since": "soon"},
            "since: 'soon' is not a time such as 2024-01-15T10:30:00Z, nor a duration such as 1h or 7d",
        ),
        ({"since": "9" * 30}, "since: .*"),
        ({"since": "9" * 5000}, "since: '9+' is not a time.*"),
        ({"region": ["us", "eu"]}, "region: must be a text, not a list"),
    ],
)
def test_what_is_wrong(given, sentence):
    """A sentence begins with the name of what is wrong."""
    with pytest.raises(UsageError, match=f"^{sentence}$"):
        query(**given)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "region: is required"),
        (b"[]", "must be an object, not a list"),
        (b"{", "truncated"),
        (b'{"region":"us","account":"1","offsets":[]}', "account: must be a whole number, not a text"),
        (b'{"region":"us","account":1,"offsets":[9223372036854775808]}', r"offsets\[0\]: "),
        (
            b'{"region":"us","account":1,"offsets":[%b]}' % b",".join([b"1"] * 1001),
            "offsets: must be a list of length <= 1000",
        ),
        (b'{"region":"us","account":1,"offsets":[1,-1]}', r"offsets\[1\]: must be a whole number >= 0"),
    ],
)
def test_what_is_no_body(body, sentence):
    """A body has the types that JSON has: a number is no text."""
    with pytest.raises(UsageError, match=sentence):
        read_json(DeadChange, body, ManualClock(NOW))


def test_a_member_that_is_wrong_is_named():
    """Whoever asked can say it in other words: which member, and what is wrong with it."""
    with pytest.raises(WrongField) as raised:
        query(limit=0)
    assert (raised.value.field, raised.value.why) == ("limit", "must be a whole number >= 1")
