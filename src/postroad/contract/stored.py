"""The stored event, format 2: what the log keeps as an entry's key and value.

The key is `source NUL messageId`, which is also what makes two events the same. The value is a small fixed
header that can be read without touching JSON, then the event's name, its violations, what it was made of, and its body:

    offset  size  what
    0       1     format: 2
    1       1     call (`Type`)
    2       1     kind of semantic email event (`Kind`), 0 for none
    3       1     flags: 1 = it has `integrations`, which decide where it goes
    4       8     received at, microseconds since 1970 UTC
    12      2     bytes of the name (UTF-8)
    14      4     bytes of the violations (JSON, a list of [path, code, message]); 0 for none
    18      4     bytes of the raw element (as an ESP sent it, of which the body was made); 0 for none
    22            name, violations, raw element, body (a JSON object)

Numbers are little-endian. Format 1 has no raw element: its header ends with byte 17.
"""

import struct
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from postroad.contract.calls import Type
from postroad.contract.decode import Call
from postroad.contract.email import Kind
from postroad.contract.violations import Problem

FORMAT: Final = 2

_HEADER = struct.Struct("<BBBBqHII")
_HEADER_1 = struct.Struct("<BBBBqHI")
_ROUTED = 1
_TYPES = {call.value: call for call in Type}  # an Enum's own look-up is ten times as slow
_KINDS: dict[int, Kind | None] = {0: None, **{kind.value: kind for kind in Kind}}
_PROBLEMS = msgspec.json.Decoder(list[Problem])


class StoredEvent(NamedTuple):
    """An event as it is in the log."""

    type: Type
    name: str
    kind: Kind | None
    routed: bool
    received_at: int
    problems: bytes
    body: bytes
    raw: bytes = b""

    @property
    def violations(self) -> list[Problem]:
        """What was wrong with it when it came."""
        return _PROBLEMS.decode(self.problems) if self.problems else []


def make_key(source: str, message_id: str) -> bytes:
    """Return the key under which an event is stored once."""
    return f"{source}\0{message_id}".encode()


def read_key(key: bytes) -> tuple[str, str]:
    """Return the source and the message id of a key."""
    source, _, message_id = key.decode().partition("\0")
    return source, message_id


def pack(call: Call, received_at: int, raw: bytes = b"") -> bytes:
    """Return the value that stores this event. `raw` is what it was made of, where that is not its body."""
    name = call.name.encode()
    wrong = (*call.violations, *call.notes)
    problems = msgspec.json.encode(wrong) if wrong else b""
    flags = _ROUTED if call.routed else 0
    header = _HEADER.pack(FORMAT, call.type, call.kind or 0, flags, received_at, len(name), len(problems), len(raw))
    return b"".join((header, name, problems, raw, call.body))


def unpack(value: bytes) -> StoredEvent:
    """Read a stored value of this format or an earlier one back.

    Raises `ValueError` for another format: the log checks its own version, so that is a bug.
    """
    version = value[0] if value else 0
    if version == FORMAT:
        _, call, kind, flags, received_at, name_size, problems_size, raw_size = _HEADER.unpack_from(value)
        start = _HEADER.size
    elif version == 1:
        _, call, kind, flags, received_at, name_size, problems_size = _HEADER_1.unpack_from(value)
        start, raw_size = _HEADER_1.size, 0
    else:
        raise ValueError(f"stored event of format {version}, expected up to {FORMAT}")
    name_end = start + name_size
    raw_start = name_end + problems_size
    body_start = raw_start + raw_size
    return StoredEvent(
        _TYPES[call],
        value[start:name_end].decode(),
        _KINDS[kind],
        bool(flags & _ROUTED),
        received_at,
        value[name_end:raw_start],
        value[body_start:],
        value[raw_start:body_start],
    )


_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_PER_TRY = ("receivedAt", "sentAt")


def is_retry(stored: bytes, again: bytes) -> bool:
    """Tell whether two stored bodies with one message id are one event sent twice.

    What every try stamps anew doesn't count: `receivedAt`, `sentAt` (some clients), and a `timestamp` that is
    only the time of receipt. The order of members does not count either.
    """
    if stored == again:
        return True
    return _essence(stored) == _essence(again)


def _essence(body: bytes) -> dict[str, bytes]:
    members = {name: bytes(value) for name, value in _OBJECT.decode(body).items()}
    if members.get("timestamp") == members.get("receivedAt"):
        members.pop("timestamp", None)
    for name in _PER_TRY:
        members.pop(name, None)
    return members
