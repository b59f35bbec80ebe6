"""Track names beside the six email events that mean something to the API: recognised and typed here.

The names are Customer.io's (Pipelines API, "Semantic events"). They are stored and delivered like any
other track event; what Postroad itself does on one is the business of whoever reads the log.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec


class Special(StrEnum):
    """A track event's name with a meaning of its own: exact and case-sensitive."""

    USER_DELETED = "User Deleted"
    USER_SUPPRESSED = "User Suppressed"
    USER_UNSUPPRESSED = "User Unsuppressed"
    REPORT_DELIVERY_EVENT = "Report Delivery Event"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a User Deleted, User Suppressed or User Unsuppressed is about."""

    userId: str | None = None
    anonymousId: str | None = None


class DeliveryProperties(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a message that Customer.io sent; `metric` is a word like `delivered` or `opened`."""

    metric: str | None = None
    deliveryId: str | None = None
    recipient: str | None = None


class DeliveryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a Report Delivery Event: what the mobile SDKs tell of a push message."""

    userId: str | None = None
    anonymousId: str | None = None
    properties: DeliveryProperties = DeliveryProperties()


_NAMES: Final[Mapping[str, Special]] = MappingProxyType({special.value: special for special in Special})
_ABOUT: Final = msgspec.json.Decoder(About)
_DELIVERY: Final = msgspec.json.Decoder(DeliveryEvent)


def special_of(name: str) -> Special | None:
    """Return which special event has this name, None for every other name."""
    return _NAMES.get(name)


def read_special(special: Special, body: bytes) -> About | DeliveryEvent | None:
    """Return a stored event's body in types, or None when its members have other ones."""
    try:
        return _DELIVERY.decode(body) if special is Special.REPORT_DELIVERY_EVENT else _ABOUT.decode(body)
    except msgspec.ValidationError:
        return None
