"""What is stored of a call: the bytes that came, and little else."""

import json

import pytest

from postroad.contract.calls import Type
from postroad.contract.decode import Call, decode

AT = 1_705_314_605_000_000
OURS = b'"receivedAt":"2024-01-15T10:30:05.000Z"'


def stored(body, call=Type.TRACK):
    """Return the stored body of a call that is usable."""
    found = decode(body, call, AT, lambda: "assigned-by-us")
    assert isinstance(found, Call)
    return found.body


def test_a_body_is_kept_byte_for_byte():
    """Spaces, order, number forms and escapes stay; what comes from us is appended."""
    body = (
        b'{ "event" : "e", "userId":"u","x":"\\u00e9\\/",'
        b'"properties":{"n":1.50, "big":123456789012345678901234567890,"t":1e400}'
    )
    assert stored(body + b" }\n") == (
        body + b' ,"type":"track",' + OURS + b',"timestamp":"2024-01-15T10:30:05.000Z","messageId":"assigned-by-us"}'
    )


def test_a_whole_event_gets_nothing_but_the_time_of_receipt():
    """A call that has its type, time and id is stored as it came plus `receivedAt`."""
    body = b'{"event":"e","userId":"u","type":"track","timestamp":"2024-01-15T10:30:00Z","messageId":"m"'
    assert stored(body + b"}") == body + b"," + OURS + b"}"


@pytest.mark.parametrize("digits", ["7", "-0", "12345678901234567890123", "1.50", "1e400", "1E-7"])
@pytest.mark.parametrize("name", ["userId", "anonymousId", "groupId", "previousId", "messageId"])
def test_a_numeric_id_becomes_a_string_of_its_digits(name, digits):
    """Ids sent as numbers are stored as strings, every digit as it came."""
    members = {"event": '"e"', "userId": '"u"', name: digits}
    body = "{" + ",".join(f'"{key}":{value}' for key, value in members.items()) + "}"
    assert json.loads(stored(body.encode()))[name] == digits


def test_nothing_else_is_coerced():
    """Numbers, booleans and nulls elsewhere stay what they are."""
    body = b'{"event":"e","userId":"u","properties":{"email_id":5,"b":true,"n":null},"context":null,"channel":9}'
    assert stored(body).startswith(body[:-1])


@pytest.mark.parametrize(
    "member",
    [
        b'"writeKey":"secret-key"',
        b'"writeKey" : "secret-key"',
        b'"writ\\u0065Key":"secret-key"',
        b'"\\u0077riteKey":"secret-key"',
        b'"writeKe\\u0079":"secret-key","writeKey":"secret-key"',
    ],
)
def test_the_write_key_is_never_stored(member):
    """However its name is spelled in JSON, `writeKey` is left out and the rest is kept."""
    body = stored(b'{"event":"e",' + member + b',"userId":"u","n":1.50}')
    assert b"secret-key" not in body
    assert b'"n":1.50' in body


def test_a_write_key_further_inside_is_data():
    """Only the member of the call itself is a credential."""
    assert json.loads(stored(b'{"event":"e","userId":"u","properties":{"writeKey":"x"}}'))["properties"] == {
        "writeKey": "x"
    }


@pytest.mark.parametrize("name", [b"receivedAt", b"received\\u0041t"])
def test_a_received_at_of_the_client_is_replaced(name):
    """When an event was received is ours to say, and it is said once."""
    body = stored(b'{"event":"e","userId":"u","' + name + b'":"1999-01-01T00:00:00Z"}')
    assert b"1999" not in body
    assert json.loads(body)["receivedAt"] == "2024-01-15T10:30:05.000Z"


@pytest.mark.parametrize("name", [" Email Opened ", "\tEmail Opened\n", "\u00a0Email Opened\u2003"])
def test_spaces_around_a_name_are_cut(name):
    """The event is stored under its name without them, and recognised by it."""
    body = json.dumps({"event": name, "userId": "u", "properties": {"email_id": "1"}}).encode()
    found = decode(body, Type.TRACK, AT, lambda: "assigned-by-us")
    assert (found.name, found.violations) == ("Email Opened", ())
    assert found.kind is not None
    assert json.loads(found.body)["event"] == "Email Opened"


@pytest.mark.parametrize(
    ("timestamp", "kept"),
    [
        ("null", "2024-01-15T10:30:05.000Z"),
        ('"?"', "2024-01-15T10:30:05.000Z"),
        ("true", "2024-01-15T10:30:05.000Z"),
        ("1.5", "2024-01-15T10:30:05.000Z"),
        ("9" * 400, "2024-01-15T10:30:05.000Z"),
        ('"2024-01-15T10:30:00"', "2024-01-15T10:30:00.000Z"),
        ("1705314600123", "2024-01-15T10:30:00.123Z"),
        ('"2024-01-15T10:30:00.000+00:00"', "2024-01-15T10:30:00.000+00:00"),
    ],
)
def test_the_timestamp_is_readable_afterwards(timestamp, kept):
    """It is the client's in a form all readers know, or the time of receipt."""
    body = f'{{"event":"e","userId":"u","timestamp":{timestamp}}}'.encode()
    assert json.loads(stored(body))["timestamp"] == kept


def test_other_times_of_the_client_are_kept():
    """`sentAt` and `originalTimestamp` are the client's own, and nothing is computed from them."""
    body = b'{"event":"e","userId":"u","sentAt":"2020-01-01T00:00:00Z","originalTimestamp":"2019-01-01T00:00:00Z"'
    assert stored(body + b"}").startswith(body)


def test_of_a_member_that_comes_twice_the_last_is_ours():
    """A reader that takes the last of two members reads what was checked."""
    body = (
        b'{"event":"x","event":" e ","userId":1,"userId":"u",'
        b'"messageId":"a","messageId":"b","type":"page","type":"track"}'
    )
    found = decode(body, Type.TRACK, AT, lambda: "assigned-by-us")
    assert (found.name, found.message_id, found.violations) == ("e", "b", ())
    last = json.loads(found.body)
    assert (last["event"], last["userId"], last["messageId"]) == ("e", "u", "b")
