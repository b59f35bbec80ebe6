"""From the bytes of one call to an event, or to the reasons why it can be none."""

import re
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw

from postroad.clock import iso
from postroad.contract.calls import Type
from postroad.contract.document import check_text
from postroad.contract.email import Kind
from postroad.contract.limits import EVENT_BYTES
from postroad.contract.members import ABSENT, Members, Reading, encode, excerpt, read_members
from postroad.contract.near import near_event
from postroad.contract.semantics import check_email_event, recognise
from postroad.contract.timestamps import check_timestamp
from postroad.contract.violations import Code, Problem

_SIMILAR = "is no email event's name, and was stored as any other event; did you mean `{}`?"
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")  # `"message\u0049d"` is `messageId` too


class Call(msgspec.Struct, frozen=True, gc=False):
    """One usable event.

    `violations` make a strict request a 400; `notes`, of an alias or of a name that looks like an email event's, never
    do. Both are stored. `body` is the event as it is stored and as destinations get it. `routed` tells whether its
    `integrations` have to be asked; `name` is the track event's name and empty for other calls.
    """

    type: Type
    name: str
    kind: Kind | None
    message_id: str
    violations: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    routed: bool
    body: bytes


class Unusable(msgspec.Struct, frozen=True, gc=False):
    """Something that can't become an event, and every reason."""

    reasons: tuple[Problem, ...]


def decode(body: bytes, call: Type, received_at: int, new_message_id: Callable[[], str]) -> Call | Unusable:
    """Decode the body of a single call that came in at `received_at` (microseconds).

    Never raises, whatever the bytes, and takes time linear in their number.
    """
    if len(body) > EVENT_BYTES:
        size = f"the event has {len(body)} bytes; the limit is {EVENT_BYTES}; leave out what no tool needs"
        return Unusable((Problem("", Code.TOO_LARGE, size),))
    wrong = check_text(body)
    if wrong is not None:
        return Unusable((wrong,))
    reading = read_members(body)
    if isinstance(reading, Problem):
        return Unusable((reading,))
    return decode_read(body, reading, call, received_at, new_message_id)


def decode_read(
    body: bytes, reading: Reading, call: Type, received_at: int, new_message_id: Callable[[], str]
) -> Call | Unusable:
    """Decode a body whose members were read, as the call that it is."""
    _check_common(call, reading)
    name, kind, notes = _check_track(reading, body) if call is Type.TRACK else ("", None, ())
    reasons = _unusable(call, reading.members)
    if reasons:
        return Unusable((*reading.problems, *reasons))
    message_id = _complete(reading, received_at, new_message_id)
    routed = reading.members.integrations is not None
    stored = write(body, reading)
    return Call(call, name, kind, message_id, tuple(reading.problems), notes, routed, stored)


def _unusable(call: Type, members: Members) -> list[Problem]:
    reasons = []
    if call is Type.TRACK and not members.event:
        reasons.append(Problem("event", Code.NO_EVENT_NAME, "is required: the name of the event, a string"))
    if not members.userId and not _names_somebody(call, members):
        wanted = " or ".join(call.identity)
        reasons.append(Problem("", Code.NO_IDENTITY, f"the call names nobody; send {wanted}"))
    return reasons


def _names_somebody(call: Type, members: Members) -> bool:
    return any(
        _traits_have_email(members) if name == "traits.email" else getattr(members, name) for name in call.identity
    )


def _traits_have_email(members: Members) -> bool:
    if members.traits is ABSENT:
        return False
    traits = msgspec.json.decode(members.traits, type=dict[str, Raw])
    value = bytes(traits.get("email", ABSENT))
    return value.startswith(b'"') and value != b'""'


def _check_common(call: Type, reading: Reading) -> None:
    members = reading.members
    if members.type != call.wire:
        if members.type is not None:
            message = f"is {excerpt(members.type)}, but the path says {call.wire}; the path counts"
            reading.problems.append(Problem("type", Code.TYPE_MISMATCH, message))
        reading.rewrite["type"] = encode(call.wire)
    if members.timestamp is not None:
        members.timestamp = _check_time("timestamp", members.timestamp, reading)
    if members.sentAt is not None:  # of these two the bad ones are kept too: nothing reads them
        _check_time("sentAt", members.sentAt, reading)
    if members.originalTimestamp is not None:
        _check_time("originalTimestamp", members.originalTimestamp, reading)
    if call.required:
        missing = [Problem(name, Code.REQUIRED, "is required") for name in call.required if not getattr(members, name)]
        reading.problems += _unsaid(missing, reading)


def _check_time(name: str, text: str, reading: Reading) -> str | None:
    """Return a time as it is stored, None for a bad one; note in the reading what differs or is wrong."""
    checked = check_timestamp(text)
    if checked is None:
        message = f"is not a date-time of RFC 3339: {excerpt(text)}"
        reading.problems.append(Problem(name, Code.BAD_TIMESTAMP, message))
    elif checked != text:
        reading.rewrite[name] = encode(checked)
    return checked


def _check_track(reading: Reading, body: bytes) -> tuple[str, Kind | None, tuple[Problem, ...]]:
    """Return the event's name, its kind and its notes; add what else is wrong to the reading."""
    members = reading.members
    name = (members.event or "").strip()
    if name != members.event:
        members.event = name
        reading.rewrite["event"] = encode(name)
    kind, by_alias = recognise(members, body)
    if kind is None:
        near = near_event(name)
        return name, None, (Problem("event", Code.SIMILAR_NAME, _SIMILAR.format(near)),) if near else ()
    found = check_email_event(kind, members)
    if found:
        found = _unsaid(found, reading)
        if by_alias:
            return name, kind, tuple(found)
        reading.problems += found
    return name, kind, ()


def _unsaid(found: Sequence[Problem], reading: Reading) -> list[Problem]:
    """Leave out members of which something is said already: a mistyped one counts as missing, too."""
    said = {problem.path for problem in reading.problems}
    return [problem for problem in found if problem.path not in said]


def _complete(reading: Reading, received_at: int, new_message_id: Callable[[], str]) -> str:
    """Fill in what an event has from us, and return its message id."""
    members, rewrite = reading.members, reading.rewrite
    received = encode(iso(received_at))
    rewrite["receivedAt"] = received
    if members.timestamp is None:
        rewrite["timestamp"] = received
    if members.messageId:
        return members.messageId
    message_id = new_message_id()
    rewrite["messageId"] = encode(message_id)
    return message_id


def write(body: bytes, reading: Reading) -> bytes:
    """Return the stored form of a JSON object: as it came, but for the members in `rewrite`, and no `writeKey`.

    Members that the body doesn't mention are appended to its text, which is much the cheapest; anything
    else is built anew from its members, each kept as it came.
    """
    members, rewrite = reading.members, reading.rewrite
    if members.writeKey is not ABSENT or members.receivedAt is not ABSENT:
        return _write_anew(body, rewrite)
    parts = [body.rstrip(b" \t\r\n")[:-1]]
    for name, value in rewrite.items():
        quoted = b'"' + name.encode() + b'"'
        if name != "receivedAt" and (quoted in body or _ESCAPED_LETTER.search(body)):
            return _write_anew(body, rewrite)
        parts += (b",", quoted, b":", value)
    parts.append(b"}")
    return b"".join(parts)


def _write_anew(body: bytes, rewrite: dict[str, bytes]) -> bytes:
    members = msgspec.json.decode(body, type=dict[str, Raw])
    members.pop("writeKey", None)
    members.update({name: Raw(value) for name, value in rewrite.items()})
    return msgspec.json.encode(members)
