"""The semantic email events, a row for each: the file to read first.

A semantic email event is a `track` call with one of the names in `Kind`. Its `properties` follow its row; everything
else about it is an ordinary track call. The names and the properties are Customer.io's (Pipelines API, "Email
Events"): exact and case-sensitive.

In strict mode a wrong or missing property is a 400; otherwise it is noted as a violation, and the event
is stored and delivered all the same.

A further event is one more row, and a struct when it has properties of its own. What is checked, the reference, the
warehouses' tables and what tests send are made of the rows; a destination that doesn't know it never gets it.
"""

from collections.abc import Mapping
from enum import IntEnum, unique
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple, Self

import msgspec
from msgspec import Meta


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """What every semantic email event says of the email. Unknown members are allowed and kept.

    JSON null counts as absent: the official Python clients send it for what was not set.
    """

    email_id: Annotated[
        str,
        Meta(
            description="The id of the email that was sent. It ties everything that happens to one email together.",
            examples=["msg_7f3a9c"],
            min_length=1,
        ),
    ]
    email_subject: Annotated[str | None, Meta(description="The subject line.", examples=["Your March invoice"])] = None
    campaign_id: Annotated[
        str | None, Meta(description="The id of the campaign that the email belongs to.", examples=["camp_204"])
    ] = None
    campaign_name: Annotated[
        str | None, Meta(description="The campaign's name, as people know it.", examples=["Monthly invoices"])
    ] = None


class LinkClickedProperties(Properties, frozen=True, kw_only=True):
    """Of an Email Link Clicked: also which link. `link_url` is any string; no URI format is declared."""

    link_id: Annotated[str | None, Meta(description="The id of the link that was followed.", examples=["pay-now"])] = (
        None
    )
    link_url: Annotated[
        str | None,
        Meta(
            description="Where the link leads. Any string will do.", examples=["https://example.com/invoices/204?pay=1"]
        ),
    ] = None


class UnsubscribedProperties(Properties, frozen=True, kw_only=True):
    """Of an Email Unsubscribed: also which list; no list means all of them."""

    list_id: Annotated[
        str | None,
        Meta(
            description="The id of the list that the person left. Without a list, the person left them all.",
            examples=["list_billing"],
        ),
    ] = None
    list_name: Annotated[
        str | None, Meta(description="The list's name, as people know it.", examples=["Billing emails"])
    ] = None


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


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one event: see the members of `Kind`."""

    number: int
    event: str
    means: str
    advice: str
    properties: type[Properties] = Properties
    traits: tuple[str, ...] = ("email", "ip", "user_agent")
    aliases: tuple[str, ...] = ()


@unique
class Kind(IntEnum):
    """Which semantic email event. The numbers are stored with every event: never reuse one."""

    event: str
    """The name it goes by on the wire."""

    means: str
    """What happened, in a sentence for people."""

    advice: str
    """What to know before sending it: more sentences for people."""

    properties: type[Properties]
    """Its properties, in their order."""

    traits: tuple[str, ...]
    """What its sender may know of the recipient, for `context.traits`."""

    aliases: tuple[str, ...]
    """Other tools' names for it. `Email Soft Bounced` and `Email Machine Opened` are aliases of no event on purpose:
    they mean something narrower, so they pass through as ordinary track events."""

    BOUNCED = _Row(
        number=1,
        event="Email Bounced",
        means="The email failed to be delivered.",
        advice="Send it for every email that comes back, whether the address is gone for good or the mailbox is only "
        "full.",
        traits=("email",),
    )
    DELIVERED = _Row(
        number=2,
        event="Email Delivered",
        means="The receiving server took the email.",
        advice="Delivered is not read: it may still have been put into the spam folder.",
        traits=("email",),
    )
    LINK_CLICKED = _Row(
        number=3,
        event="Email Link Clicked",
        means="A link in the email was followed.",
        advice="Send it for each click; say with `link_url` or `link_id` which link it was.",
        properties=LinkClickedProperties,
        aliases=("Email Clicked", "Email Click"),  # MoEngage, Insider, Braze
    )
    MARKED_AS_SPAM = _Row(
        number=4,
        event="Email Marked as Spam",
        means="The recipient reported the email as spam.",
        advice="It usually reaches you through the mailbox provider's feedback loop.",
        # Braze and Listrak (capital A), OneSignal, MoEngage.
        aliases=("Email Marked As Spam", "Email Reported As Spam", "Email Complained"),
    )
    OPENED = _Row(
        number=5,
        event="Email Opened",
        means="The email was opened, by a person or a machine.",
        advice="Mail programs and proxies open emails by themselves; send the event all the same, with the user agent "
        "if you have it.",
        aliases=("Email Open",),  # MoEngage, Insider, Braze
    )
    UNSUBSCRIBED = _Row(
        number=6,
        event="Email Unsubscribed",
        means="The recipient wants no more of these emails.",
        advice="Name the list with `list_id` when only one list was left.",
        properties=UnsubscribedProperties,
        # Segment's own spec, Customer.io's prose page; SendGrid, Blueshift, Insider, Twilio Engage, RudderStack.
        aliases=(
            "Unsubscribed",
            "Unsubscribe",
            "Email Unsubscribe",
            "Email Group Unsubscribed",
            "Unsubscribed From Group",
            "Customer Unsubscribed",
        ),
    )

    def __new__(cls, row: _Row) -> Self:
        """Make a member of its row; its value is the number."""
        kind = int.__new__(cls, row.number)
        kind._value_ = row.number
        kind.event, kind.means, kind.advice = row.event, row.means, row.advice
        kind.properties, kind.traits, kind.aliases = row.properties, row.traits, row.aliases
        return kind


KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.event: kind for kind in Kind})

ALIASES: Final[Mapping[str, Kind]] = MappingProxyType({name: kind for kind in Kind for name in kind.aliases})


class Said(NamedTuple):
    """What is said of a property for people."""

    description: str
    example: str


def said_of(properties: type[Properties]) -> Mapping[str, Said]:
    """Return what is said of each property by its name, in their order."""
    notes = {field.name: field.type.__metadata__[0] for field in msgspec.structs.fields(properties)}
    return {name: Said(note.description, note.examples[0]) for name, note in notes.items()}
