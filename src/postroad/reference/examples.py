"""One good request for each event and each call."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from postroad.contract.calls import Type
from postroad.contract.email import Kind, said_of

_AT: Final = "2026-03-02T09:30:00.000Z"
_WHO: Final = {"userId": "user_12345"}
_ADDRESS: Final = {"email": "ada@example.com"}
_TRAITS: Final = {**_ADDRESS, "ip": "203.0.113.24", "user_agent": "Mozilla/5.0 (Macintosh) Mail/16.0"}


def email_example(kind: Kind) -> dict[str, Any]:
    """Return a semantic email event with every property that it may have."""
    return {
        "type": Type.TRACK.wire,
        **_WHO,
        "event": kind.event,
        "timestamp": _AT,
        "properties": {name: said.example for name, said in said_of(kind.properties).items()},
        "context": {"traits": {name: _TRAITS[name] for name in kind.traits}},
        "integrations": {"All": True},
    }


CALLS: Final[Mapping[Type, dict[str, Any]]] = MappingProxyType(
    {
        Type.TRACK: {
            **_WHO,
            "event": "Invoice Paid",
            "properties": {"invoice_id": "inv_204", "amount": 49.5, "currency": "EUR"},
            "timestamp": _AT,
        },
        Type.IDENTIFY: {**_WHO, "traits": {**_ADDRESS, "first_name": "Ada", "plan": "team"}},
        Type.PAGE: {**_WHO, "name": "Pricing", "properties": {"url": "https://example.com/pricing"}},
        Type.SCREEN: {**_WHO, "name": "Invoices", "properties": {"tab": "open"}},
        Type.GROUP: {"groupId": "company_42", **_WHO, "traits": {"name": "Analytical Engines", "seats": 12}},
        Type.ALIAS: {**_WHO, "previousId": "visitor_98f2"},
    }
)
"""A request for each single call; that of track is no email event."""


def batch_example() -> dict[str, Any]:
    """Return a batch of three calls, one of them an email event."""
    delivered = email_example(Kind.DELIVERED)
    kept = ("type", "userId", "event", "timestamp", "properties")
    identify = {"type": Type.IDENTIFY.wire, **CALLS[Type.IDENTIFY]}
    paid = {"type": Type.TRACK.wire, **CALLS[Type.TRACK]}
    return {"batch": [{name: delivered[name] for name in kept}, identify, paid]}
