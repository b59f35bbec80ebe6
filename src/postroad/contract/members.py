"""The members of a call that Postroad interprets, read out of its JSON with everything that is wrong with them.

Two ways lead to the same `Members`: a typed decode in one step, which nearly every call passes, and a walk over the
members one by one for the calls in which a member has a wrong type, or an id that is a number has to become a string.
A rule that also concerns well-typed calls belongs into `postroad.contract.decode`: those are never walked.
"""

import re
from collections.abc import Callable

import msgspec
from msgspec import Raw

from postroad.contract.document import parse_object
from postroad.contract.limits import EXCERPT
from postroad.contract.timestamps import from_milliseconds
from postroad.contract.violations import Code, Problem

ABSENT = Raw(b"")


class _AnyObject(msgspec.Struct, gc=False):
    """Any JSON object; its members are looked at elsewhere or not at all."""


class _Switches(msgspec.Struct, gc=False):
    All: bool | None = None
    all: bool | None = None


class Members(msgspec.Struct, gc=False):
    """What was read. None and `ABSENT` stand for missing, null and mistyped alike.

    Of `receivedAt` and `writeKey` only whether they are there counts: neither is stored as it came.
    """

    type: str | None = None
    event: str | None = None
    userId: str | None = None
    anonymousId: str | None = None
    groupId: str | None = None
    previousId: str | None = None
    messageId: str | None = None
    timestamp: str | None = None
    sentAt: str | None = None
    originalTimestamp: str | None = None
    receivedAt: Raw = ABSENT
    writeKey: Raw = ABSENT
    properties: Raw = ABSENT
    traits: Raw = ABSENT
    context: _AnyObject | None = None
    integrations: _Switches | None = None


class Reading(msgspec.Struct, gc=False):
    """`Members` with what came up while reading them.

    `rewrite` has the members whose stored form differs from what came, as JSON.
    """

    members: Members
    problems: list[Problem]
    rewrite: dict[str, bytes]


_TYPED = msgspec.json.Decoder(Members)
_IDS = ("userId", "anonymousId", "groupId", "previousId", "messageId")
_TEXTS = ("type", "event", "sentAt", "originalTimestamp")
_INTEGER = re.compile(rb"-?\d{1,20}")
_NULL = b"null"
_BRACE = ord("{")


def read_members(body: bytes, what: str = "the body") -> Reading | Problem:
    """Read a call's members out of a body that passed `check_text`, or say why it is not a JSON object."""
    try:
        members = _TYPED.decode(body)
    except msgspec.DecodeError:  # a ValidationError is one too
        found = parse_object(body, what)
        return found if isinstance(found, Problem) else _walk(found)
    reading = Reading(members, [], {})
    if members.properties is not ABSENT:
        _check_object("properties", members.properties, reading)
    if members.traits is not ABSENT:
        _check_object("traits", members.traits, reading)
    return reading


encode = msgspec.json.Encoder().encode
"""Return a value as JSON."""


def excerpt(value: Raw | str) -> str:
    """Return the beginning of a bad value for an error message."""
    text = value if isinstance(value, str) else bytes(value).decode()
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "…"


def _walk(found: dict[str, Raw]) -> Reading:
    ours = Members(receivedAt=found.get("receivedAt", ABSENT), writeKey=found.get("writeKey", ABSENT))
    reading = Reading(ours, [], {})
    for name, read in _READERS.items():
        value = found.get(name)
        if value is not None and bytes(value) != _NULL:
            read(name, value, reading)
    return reading


def _wrong(name: str, wanted: str, reading: Reading) -> None:
    reading.problems.append(Problem(name, Code.WRONG_TYPE, f"must be {wanted}"))


def _read_text(name: str, value: Raw, reading: Reading) -> None:
    if bytes(value).startswith(b'"'):
        setattr(reading.members, name, msgspec.json.decode(value, type=str))
    else:
        _wrong(name, "a string", reading)


def _read_id(name: str, value: Raw, reading: Reading) -> None:
    raw = bytes(value)
    if raw[0] in b"-0123456789":  # customerio-node sends numbers; the digits survive as they came
        text = raw.decode()
        setattr(reading.members, name, text)
        reading.rewrite[name] = encode(text)
    else:
        _read_text(name, value, reading)


def _read_timestamp(name: str, value: Raw, reading: Reading) -> None:
    raw = bytes(value)
    if raw.startswith(b'"'):
        _read_text(name, value, reading)
        return
    text = from_milliseconds(int(raw)) if _INTEGER.fullmatch(raw) else None
    if text is None:
        message = f"is neither a date-time of RFC 3339 nor integer milliseconds: {excerpt(value)}"
        reading.problems.append(Problem(name, Code.BAD_TIMESTAMP, message))
    else:
        reading.members.timestamp = text
        reading.rewrite[name] = encode(text)


def _check_object(name: str, value: Raw, reading: Reading) -> None:
    if memoryview(value)[0] == _BRACE:
        return
    if bytes(value) != _NULL:
        _wrong(name, "an object", reading)
    setattr(reading.members, name, ABSENT)


def _read_object(name: str, value: Raw, reading: Reading) -> None:
    setattr(reading.members, name, value)
    _check_object(name, value, reading)


def _read_context(name: str, value: Raw, reading: Reading) -> None:
    if bytes(value).startswith(b"{"):
        reading.members.context = _AnyObject()
    else:
        _wrong(name, "an object", reading)


def _read_integrations(name: str, value: Raw, reading: Reading) -> None:
    if not bytes(value).startswith(b"{"):
        _wrong(name, "an object", reading)
        return
    reading.members.integrations = _Switches()
    switches = msgspec.json.decode(value, type=dict[str, Raw])
    for switch in ("All", "all"):
        if bytes(switches.get(switch, Raw(_NULL))) not in (_NULL, b"true", b"false"):
            _wrong(f"{name}.{switch}", "a boolean", reading)


_READERS: dict[str, Callable[[str, Raw, Reading], None]] = {
    **dict.fromkeys(_IDS, _read_id),
    **dict.fromkeys(_TEXTS, _read_text),
    "timestamp": _read_timestamp,
    "properties": _read_object,
    "traits": _read_object,
    "context": _read_context,
    "integrations": _read_integrations,
}
