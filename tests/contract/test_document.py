"""Bodies made to be expensive: bounded depth, linear time."""

from time import process_time

import pytest

from postroad.contract.calls import Type
from postroad.contract.decode import Unusable, decode
from postroad.contract.document import check_text, parse_object
from postroad.contract.limits import DEPTH, EVENT_BYTES
from postroad.contract.violations import Code


def deep(levels):
    """Return an event of that many nested objects and arrays."""
    return b'{"event":"e","userId":"u","x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize("levels", [DEPTH - 1, DEPTH, DEPTH + 1, 10_000])
def test_depth_is_bounded(levels):
    """The outermost object counts; one level more than the limit can't be used."""
    found = decode(deep(levels), Type.TRACK, 0, lambda: "m")
    if levels <= DEPTH:
        assert not isinstance(found, Unusable)
    else:
        assert [reason.code for reason in found.reasons] == [Code.TOO_DEEP]


@pytest.mark.parametrize("text", [b"[" * 500, b'\\"[' * 500, b"[]{}" * 500, b'\\\\\\"{'])
def test_brackets_in_text_are_no_depth(text):
    """A string may hold as many brackets, quotes and backslashes as it likes."""
    assert check_text(b'{"a":[' + b"[]," * 70 + b'"' + text + b'"]}') is None


def test_brackets_side_by_side_are_no_depth():
    """How many objects and arrays there are doesn't count, only how deep they go."""
    assert check_text(b'{"a":[' + b"[{}]," * 500 + b"1]}") is None


def test_half_a_character_is_looked_for_in_an_event_only():
    """Why an event can't be read is said by name; millions of bytes are not looked through once more for it, as that
    would hold up everybody else.
    """
    half = b'{"a":"%b\\ud83d"}'
    assert "half a character" in parse_object(half % b"").message
    assert "half a character" in parse_object(half % (b"x" * (EVENT_BYTES - 20))).message
    assert "half a character" not in parse_object(half % (b"x" * EVENT_BYTES)).message


HOSTILE = {
    "open brackets": b"[",
    "open objects": b'{"a":',
    "quotes": b'"',
    "backslashes": b"\\",
    "escaped quotes": b'\\"',
    "quotes that never close": b'[ \\"',
    "escapes": b"\\u00",
    "letters as escapes": b"\\u0041",
    "members": b'"writ\\u0065Key":1,',
    "digits": b"9",
    "minus signs": b"-",
    "leap seconds": b":60",
    "spaces": b" ",
    "commas": b",",
    "four bytes a character": "🐢".encode(),
    "not UTF-8": b"\xff",
}
WRAPPED = {
    "bare": (b"", b""),
    "in an object": (b'{"event":"e","userId":"u",', b"}"),
    "in an open string after brackets": (b'{"event":"e","userId":"u","x":[' + b"[]," * 70 + b'"', b""),
    "in a name": (b'{"userId":"u","event":"', b'"}'),
    "in a number": (b'{"event":"e","userId":', b"}"),
    "in a timestamp": (b'{"event":"e","userId":"u","timestamp":"', b'"}'),
}


def seconds(body):
    """Return the least of five measurements of this process's own time: the others were disturbed."""
    taken = []
    for _ in range(5):
        began = process_time()
        decode(body, Type.TRACK, 0, lambda: "m")
        taken.append(process_time() - began)
    return min(taken)


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_time_is_linear(piece, wrap):
    """Eight times the bytes, up to the limit, takes far less than 64 times as long."""
    head, tail = wrap
    room = EVENT_BYTES - len(head) - len(tail)
    small, large = (head + piece * (room // part // len(piece)) + tail for part in (8, 1))
    assert seconds(large) < 24 * seconds(small) + 0.002
