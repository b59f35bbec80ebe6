"""The stored event, format 2 and what is left of format 1, byte for byte."""

import pytest

from postroad.contract.calls import Type
from postroad.contract.decode import Call
from postroad.contract.email import Kind
from postroad.contract.stored import make_key, pack, read_key, unpack
from postroad.contract.violations import Code, Problem

AT = 1_705_314_600_123_456
BOUNCED = Call(
    type=Type.TRACK,
    name="Email Bounced",
    kind=Kind.BOUNCED,
    message_id="m-1",
    violations=(Problem("userId", Code.REQUIRED, "is required"),),
    notes=(),
    routed=True,
    body=b'{"event":"Email Bounced"}',
)
IDENTIFY = Call(
    type=Type.IDENTIFY,
    name="",
    kind=None,
    message_id="m-2",
    violations=(),
    notes=(),
    routed=False,
    body=b'{"userId":"u"}',
)


BOUNCED_IN_FORMAT_1 = (
    b"\x01\x01\x01\x01\x40\x7c\xf8\x7e\xf9\x0e\x06\x00\x0d\x00\x25\x00\x00\x00"
    b'Email Bounced[["userId","required","is required"]]'
    b'{"event":"Email Bounced"}'
)


def test_the_bytes_of_format_2():
    """A value written today is read by every later version: these bytes never change."""
    assert pack(BOUNCED, AT, b'{"RecordType":"Bounce"}') == (
        b"\x02\x01\x01\x01\x40\x7c\xf8\x7e\xf9\x0e\x06\x00\x0d\x00\x25\x00\x00\x00\x17\x00\x00\x00"
        b'Email Bounced[["userId","required","is required"]]'
        b'{"RecordType":"Bounce"}'
        b'{"event":"Email Bounced"}'
    )
    assert pack(IDENTIFY, AT) == (
        b'\x02\x02\x00\x00\x40\x7c\xf8\x7e\xf9\x0e\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00{"userId":"u"}'
    )


def test_format_1_is_read():
    """A value of format 1 says the same as one of today; it has nothing raw."""
    assert unpack(BOUNCED_IN_FORMAT_1) == unpack(pack(BOUNCED, AT))
    assert unpack(BOUNCED_IN_FORMAT_1).raw == b""


def test_a_value_reads_back_whole():
    """Everything packed comes out again."""
    event = unpack(pack(BOUNCED, AT))
    assert (event.type, event.name, event.kind) == (Type.TRACK, "Email Bounced", Kind.BOUNCED)
    assert (event.routed, event.received_at, event.body) == (True, AT, BOUNCED.body)
    assert event.violations == list(BOUNCED.violations)
    assert (event.raw, unpack(pack(BOUNCED, AT, b"as it came"))) == (b"", event._replace(raw=b"as it came"))
    plain = unpack(pack(IDENTIFY, AT))
    assert (plain.type, plain.name, plain.kind, plain.routed) == (Type.IDENTIFY, "", None, False)
    assert (plain.violations, plain.body) == ([], IDENTIFY.body)


def test_notes_are_stored_with_the_violations():
    """What is wrong with an alias is kept too."""
    note = Problem("properties.email_id", Code.REQUIRED, "is required")
    call = Call(
        Type.TRACK, "Unsubscribed", Kind.UNSUBSCRIBED, "m", BOUNCED.violations, (note,), routed=False, body=b"{}"
    )
    assert unpack(pack(call, AT)).violations == [*BOUNCED.violations, note]


@pytest.mark.parametrize("name", ["", "Żółw 🐢", "x" * 32_000])
def test_any_name_fits(name):
    """A name of any language and of any length that an event can have."""
    call = Call(Type.TRACK, name, None, "m", (), (), routed=False, body=b"{}")
    assert unpack(pack(call, AT)).name == name


@pytest.mark.parametrize("version", [0, 3, 255])
def test_another_format_is_refused(version):
    """A value of a format this version doesn't know is never guessed at."""
    with pytest.raises(ValueError, match=f"stored event of format {version}, expected up to 2"):
        unpack(bytes([version]) + pack(BOUNCED, AT)[1:])


@pytest.mark.parametrize("message_id", ["m-1", "", "with space", "żółw 🐢", "nul\0inside"])
def test_keys_read_back(message_id):
    """A key gives its source and its message id back, whatever the id."""
    assert read_key(make_key("app", message_id)) == ("app", message_id)
    assert make_key("app", message_id) == b"app\0" + message_id.encode()
