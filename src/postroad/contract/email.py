"""The six semantic email events: the file to read first.

A semantic email event is a `track` call with one of six names. Its `properties` follow the table below
(`Properties` and its subclasses say it in types); everything else about it is an ordinary track call.
The names and the table are Customer.io's (Pipelines API, "Email Events"): exact and case-sensitive.

In strict mode a wrong or missing property is a 400; otherwise it is noted as a violation, and the event
is stored and delivered all the same.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Literal

import msgspec


class Kind(IntEnum):
    """Which semantic email event. The numbers are stored with every event: never reuse one."""

    BOUNCED = 1
    DELIVERED = 2
    LINK_CLICKED = 3
    MARKED_AS_SPAM = 4
    OPENED = 5
    UNSUBSCRIBED = 6

    @property
    def event(self) -> str:
        """The name it goes by on the wire."""
        return EVENT_NAMES[self]


EVENT_NAMES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.BOUNCED: "Email Bounced",
        Kind.DELIVERED: "Email Delivered",
        Kind.LINK_CLICKED: "Email Link Clicked",
        Kind.MARKED_AS_SPAM: "Email Marked as Spam",
        Kind.OPENED: "Email Opened",
        Kind.UNSUBSCRIBED: "Email Unsubscribed",
    }
)

KINDS: Final[Mapping[str, Kind]] = MappingProxyType({name: kind for kind, name in EVENT_NAMES.items()})


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """What every semantic email event says of the email. Unknown members are allowed and kept.

    JSON null counts as absent: the official Python clients send it for what was not set.
    """

    email_id: str
    email_subject: str | None = None
    campaign_id: str | None = None
    campaign_name: str | None = None


class LinkClickedProperties(Properties, frozen=True, kw_only=True):
    """Of an Email Link Clicked: also which link. `link_url` is any string; no URI format is declared."""

    link_id: str | None = None
    link_url: str | None = None


class UnsubscribedProperties(Properties, frozen=True, kw_only=True):
    """Of an Email Unsubscribed: also which list; no list means all of them."""

    list_id: str | None = None
    list_name: str | None = None


class EmailEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a semantic email event, as strict mode demands it.

    `timestamp` is RFC 3339 (absent: the time of receipt). `context.traits.email` is the recipient;
    `context` and `integrations` are free-form beyond what the other modules of this package read.
    """

    userId: str
    event: str
    properties: Properties
    type: Literal["track"] = "track"
    timestamp: str | None = None
    context: dict[str, object] | None = None
    integrations: dict[str, object] | None = None


class EmailBounced(EmailEvent, frozen=True, kw_only=True):
    """The email failed to be delivered."""

    event: Literal["Email Bounced"] = "Email Bounced"


class EmailDelivered(EmailEvent, frozen=True, kw_only=True):
    """The receiving server took the email."""

    event: Literal["Email Delivered"] = "Email Delivered"


class EmailLinkClicked(EmailEvent, frozen=True, kw_only=True):
    """A link in the email was followed."""

    properties: LinkClickedProperties
    event: Literal["Email Link Clicked"] = "Email Link Clicked"


class EmailMarkedAsSpam(EmailEvent, frozen=True, kw_only=True):
    """The recipient reported the email as spam."""

    event: Literal["Email Marked as Spam"] = "Email Marked as Spam"


class EmailOpened(EmailEvent, frozen=True, kw_only=True):
    """The email was opened, by a person or a machine."""

    event: Literal["Email Opened"] = "Email Opened"


class EmailUnsubscribed(EmailEvent, frozen=True, kw_only=True):
    """The recipient wants no more of these emails."""

    properties: UnsubscribedProperties
    event: Literal["Email Unsubscribed"] = "Email Unsubscribed"


EVENTS: Final[Mapping[Kind, type[EmailEvent]]] = MappingProxyType(
    {
        Kind.BOUNCED: EmailBounced,
        Kind.DELIVERED: EmailDelivered,
        Kind.LINK_CLICKED: EmailLinkClicked,
        Kind.MARKED_AS_SPAM: EmailMarkedAsSpam,
        Kind.OPENED: EmailOpened,
        Kind.UNSUBSCRIBED: EmailUnsubscribed,
    }
)

PROPERTIES: Final[Mapping[Kind, type[Properties]]] = MappingProxyType(
    {
        Kind.BOUNCED: Properties,
        Kind.DELIVERED: Properties,
        Kind.LINK_CLICKED: LinkClickedProperties,
        Kind.MARKED_AS_SPAM: Properties,
        Kind.OPENED: Properties,
        Kind.UNSUBSCRIBED: UnsubscribedProperties,
    }
)

ALIASES: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        # Segment's own spec, Customer.io's prose page; SendGrid, Blueshift, Insider, Twilio Engage, RudderStack.
        "Unsubscribed": Kind.UNSUBSCRIBED,
        "Unsubscribe": Kind.UNSUBSCRIBED,
        "Email Unsubscribe": Kind.UNSUBSCRIBED,
        "Email Group Unsubscribed": Kind.UNSUBSCRIBED,
        "Unsubscribed From Group": Kind.UNSUBSCRIBED,
        "Customer Unsubscribed": Kind.UNSUBSCRIBED,
        # MoEngage, Insider, Braze.
        "Email Clicked": Kind.LINK_CLICKED,
        "Email Click": Kind.LINK_CLICKED,
        "Email Open": Kind.OPENED,
        # Braze and Listrak (capital A), OneSignal, MoEngage.
        "Email Marked As Spam": Kind.MARKED_AS_SPAM,
        "Email Reported As Spam": Kind.MARKED_AS_SPAM,
        "Email Complained": Kind.MARKED_AS_SPAM,
    }
)
"""Other tools' names for the six. `Email Soft Bounced` and `Email Machine Opened` are left out on
purpose: they mean something narrower, so they pass through as ordinary track events."""
