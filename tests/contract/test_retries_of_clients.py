"""Telling a retry from another event with the same message id."""

import pytest

from postroad.contract.stored import is_retry

STORED = (
    b'{"userId":"u","event":"Email Opened","properties":{"email_id":"1"},"sentAt":"2024-01-01T00:00:00Z",'
    b'"messageId":"m","type":"track","receivedAt":"2024-01-01T00:00:01.000Z","timestamp":"2024-01-01T00:00:01.000Z"}'
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b'"sentAt":"2024-01-01T00:00:00Z"', b'"sentAt":"2024-01-01T00:09:00Z"'),
        (b'"sentAt":"2024-01-01T00:00:00Z",', b""),
        (b"2024-01-01T00:00:01.000Z", b"2024-01-01T00:09:01.000Z"),
        (b'"userId":"u","event":"Email Opened",', b'"event":"Email Opened","userId":"u",'),
    ],
)
def test_a_retry_may_differ_in_what_each_try_stamps(before, after):
    """Send and receipt times, a timestamp that is only the time of receipt, and the order don't count."""
    assert is_retry(STORED, STORED.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"userId":"u"', b'"userId":"v"'),
        (b'"email_id":"1"', b'"email_id":"2"'),
        (b'"userId":"u",', b""),
        (b'"timestamp":"2024-01-01T00:00:01.000Z"', b'"timestamp":"2023-01-01T00:00:01.000Z"'),
        (b'"type":"track"', b'"type":"track","context":{}'),
    ],
)
def test_anything_else_makes_it_another_event(before, after):
    """A member that is new, gone or changed is another event."""
    assert not is_retry(STORED, STORED.replace(before, after))


def test_a_client_timestamp_counts_even_when_the_other_has_none():
    """An event that says when it happened is not the one that didn't."""
    own = STORED.replace(b'"timestamp":"2024-01-01T00:00:01.000Z"', b'"timestamp":"2023-12-31T00:00:00Z"')
    assert not is_retry(STORED, own)
    assert not is_retry(own, STORED)
