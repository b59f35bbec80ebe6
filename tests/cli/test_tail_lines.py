"""A line of `postroad tail`, whatever is in the event: who holds a browser key decides that."""

import pytest

from postroad.cli.tail import summary
from postroad.contract.calls import Type
from postroad.contract.decode import decode
from postroad.contract.stored import make_key, pack, unpack
from postroad.log.base import Record

AT = 1_705_314_605_000_000


def shown(body):
    """Return the line of an event that was stored with this body."""
    call = decode(body, Type.TRACK, AT, str)
    value = pack(call, AT)
    return summary(Record(7, make_key("app", call.message_id), value), unpack(value))


def test_it_tells_who_and_what():
    """Time, offset, source, call, name, user, email id and message id stand in one line."""
    line = shown(b'{"event":"Email Opened","userId":7,"messageId":"m","properties":{"email_id":"1","list_id":null}}')
    assert line == "2024-01-15T10:30:05.000Z  7  app  track  Email Opened  userId=7  email_id=1  messageId=m"


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 5000, b"1e-999"])
def test_a_number_beyond_every_range_ends_nothing(number):
    """A number that no computer has room for is stored as it came, and its event is shown like every other."""
    body = b'{"event":"e","userId":"u","messageId":"m","properties":{"email_id":%b},"context":{"a":[%b]}}'
    assert shown(body % (number, number)).endswith("track  e  userId=u  messageId=m")
