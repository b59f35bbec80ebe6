"""One call as Mixpanel's import API takes it: pure."""

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Raw

from postroad.contract.email import Kind
from postroad.destinations.base import EmailEvents, Event, Sent
from postroad.destinations.email_events import properties
from postroad.destinations.http.batches import Part

PLACEHOLDERS: Final = frozenset(
    {"00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined"}
    | {"unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}"}
)
"""What Mixpanel refuses as a `distinct_id` or an `$insert_id`."""

_INSERT_ID: Final = re.compile(r"[A-Za-z0-9-]{1,36}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_PLACE: Final = 0
_VIEWS: Final = {"page": "Page Viewed", "screen": "Screen Viewed"}
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_TEXT: Final = msgspec.json.Decoder(str)


def _sent(kind: Kind) -> Sent:
    own = {
        "properties.time": "timestamp",
        "properties.distinct_id": "userId",
        "properties.ip": "context.ip",
    }
    return Sent(kind.event, own | {path: path for path in properties(kind)}, "properties.$insert_id")


EMAIL_EVENTS: Final[EmailEvents] = MappingProxyType({kind: _sent(kind) for kind in Kind})
"""What goes out for each semantic email event."""


def write(event: Event) -> Part:
    """Return an event for the body of an import, and its `$insert_id`."""
    members = _object(event.body)
    context = _object(members.get("context"))
    own = _object(members.get("properties"))
    name = event.name
    if event.type in _VIEWS:
        name = _VIEWS[event.type]
        if "name" in members:
            own.setdefault("name", members["name"])
    key = insert_id(event.dedup_key)
    reserved: Mapping[str, Any] = {
        "time": _milliseconds(members, event.received_at),
        "distinct_id": _distinct_id(members),
        "$insert_id": key,
        "ip": _ip(context) or _ip(_object(context.get("traits"))) or _NO_PLACE,
    }
    # A property of the event's own that Mixpanel would take for one of these can't stay.
    return Part(msgspec.json.encode({"event": name, "properties": {**own, **reserved}}), key)


def insert_id(dedup_key: str) -> str:
    """Return an event's key as Mixpanel takes it: at most 36 letters, digits and hyphens, no placeholder.

    For another it is the beginning of the SHA-256 of its UTF-8 in hex.
    """
    if _INSERT_ID.fullmatch(dedup_key) and dedup_key not in PLACEHOLDERS:
        return dedup_key
    return hashlib.sha256(dedup_key.encode("utf-8", "surrogatepass")).hexdigest()[:36]


def _distinct_id(members: Mapping[str, Raw]) -> str:
    for name in ("userId", "anonymousId"):
        found = _text(members.get(name))
        if found and found not in PLACEHOLDERS:
            return found
    return ""


def _ip(members: Mapping[str, Raw]) -> str:
    """Return the address in it; none when it is hashed, or no address for another reason."""
    try:
        return str(ipaddress.ip_address(_text(members.get("ip"))))
    except ValueError:
        return ""


def _milliseconds(members: Mapping[str, Raw], received_at: int) -> int:
    try:
        moment = datetime.fromisoformat(_text(members.get("timestamp")))
    except ValueError:
        return received_at // 1000
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _object(value: bytes | Raw | None) -> dict[str, Raw]:
    """Return the members of an object; none when it is something else, which a stored event may hold."""
    try:
        return _OBJECT.decode(value or b"{}")
    except msgspec.DecodeError:
        return {}


def _text(value: Raw | None) -> str:
    try:
        return _TEXT.decode(value or b'""')
    except msgspec.DecodeError:
        return ""
