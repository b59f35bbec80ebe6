"""The stored event, format 1: what the log keeps as an entry's key and value.

The key is `source NUL messageId`, which is also what makes two events the same. The value is a small fixed
header that can be read without touching JSON, then the event's name, its violations and its body:

    offset  size  what
    0       1     format: 1
    1       1     call (`Type`)
    2       1     kind of semantic email event (`Kind`), 0 for none
    3       1     flags: 1 = its integrations have to be asked
    4       8     received at, microseconds since 1970 UTC
    12      2     bytes of the name (UTF-8)
    14      4     bytes of the violations (JSON, a list of [path, code, message]); 0 for none
    18            name, violations, body (a JSON object)

Numbers are little-endian.
"""

import struct
from typing import Final, NamedTuple

import msgspec

from postroad.contract.calls import Type
from postroad.contract.decode import Call
from postroad.contract.email import Kind
from postroad.contract.violations import Problem

FORMAT: Final = 1

_HEADER = struct.Struct("<BBBBqHI")
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


def pack(call: Call, received_at: int) -> bytes:
    """Return the value that stores this event."""
    name = call.name.encode()
    wrong = (*call.violations, *call.notes)
    problems = msgspec.json.encode(wrong) if wrong else b""
    flags = _ROUTED if call.routed else 0
    header = _HEADER.pack(FORMAT, call.type, call.kind or 0, flags, received_at, len(name), len(problems))
    return b"".join((header, name, problems, call.body))


def unpack(value: bytes) -> StoredEvent:
    """Read a stored value back.

    Raises `ValueError` for another format: the log checks its own version, so that is a bug.
    """
    version, call, kind, flags, received_at, name_size, problems_size = _HEADER.unpack_from(value)
    if version != FORMAT:
        raise ValueError(f"stored event of format {version}, expected {FORMAT}")
    name_end = _HEADER.size + name_size
    body_start = name_end + problems_size
    return StoredEvent(
        _TYPES[call],
        value[_HEADER.size : name_end].decode(),
        _KINDS[kind],
        bool(flags & _ROUTED),
        received_at,
        value[name_end:body_start],
        value[body_start:],
    )
