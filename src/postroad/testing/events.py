"""One valid event of every kind, always the same: what tests of destinations send."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from postroad.clock import MICROSECONDS, iso
from postroad.contract.email import Kind
from postroad.destinations.base import Event
from postroad.destinations.dedup import KeyForm, dedup_key

RECEIVED_AT: Final = 1_705_314_605 * MICROSECONDS

_TEXTS: Final = {
    "email_id": "em_0001",
    "email_subject": "Your invoice",
    "campaign_id": "cmp_42",
    "campaign_name": "Invoices",
    "link_id": "lnk_7",
    "link_url": "https://example.com/pay?invoice=7&lang=en",
    "list_id": "lst_3",
    "list_name": "Newsletter",
}


def email_event(kind: Kind) -> Event:
    """Return the semantic email event of this kind, with every property it may have."""
    members = {
        "event": kind.event,
        "properties": {name: _TEXTS.get(name, f"some {name}") for name in kind.properties.__struct_fields__},
        "context": {"traits": {"email": "ada@example.com"}},
    }
    return call("track", members, message_id=f"msg-{kind.value:04d}", offset=kind.value, kind=kind)


def every_email_event() -> Sequence[Event]:
    """Return one event of each kind, by number."""
    return [email_event(kind) for kind in sorted(Kind)]


def plain_track() -> Event:
    """Return a track call that is no semantic email event."""
    return call("track", {"event": "Order Placed", "properties": {"total": 12.5}}, message_id="msg-order", offset=1000)


def unusual_events() -> Sequence[Event]:
    """Return valid events that careless code changes on the way: a big number, text of all planes,
    a line break between members, empty properties, and a message id that fits no HTTP header.
    """
    body = (
        '{"type":"identify","userId":"ada",\r\n "traits":{"exact":123456789012345678901234567890,"tiny":1.0e-7,'
        '"text":"tab\\t newline\\n \\u0000 \\u2028 żółw 🐢 \\ud83d\\ude00","none":null,"deep":[[[{}]]]},'
        f'"messageId":"id with spaces \\r\\n 🐢","receivedAt":"{iso(RECEIVED_AT)}","timestamp":"{iso(RECEIVED_AT)}"}}'
    )
    identify = Event(
        offset=1 << 40,
        region="us",
        source="app",
        message_id="id with spaces \r\n 🐢",
        received_at=RECEIVED_AT,
        type="identify",
        name="",
        kind=None,
        violations=["traits.deep: is only there to be odd"],
        body=body.encode(),
        dedup_key=dedup_key(KeyForm.DIGEST, "us", "app", "id with spaces \r\n 🐢"),
    )
    empty = call("track", {"event": "Empty 🐢", "properties": {}}, message_id="m" * 300, offset=1001)
    return [empty, identify]


def call(type_: str, members: Mapping[str, object], *, message_id: str, offset: int, kind: Kind | None = None) -> Event:
    """Return any call as an event: `members` join the ones that every stored event has."""
    common = {"messageId": message_id, "receivedAt": iso(RECEIVED_AT), "timestamp": "2024-01-15T10:30:00.000Z"}
    body = {"type": type_, "userId": "ada", **members, **common}
    return Event(
        offset=offset,
        region="us",
        source="app",
        message_id=message_id,
        received_at=RECEIVED_AT,
        type=type_,
        name=str(members.get("event", "")),
        kind=kind,
        violations=[],
        body=msgspec.json.encode(body),
        dedup_key=dedup_key(KeyForm.DIGEST, "us", "app", message_id),
    )
