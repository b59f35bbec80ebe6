"""What each member means, in a sentence: the types say the rest, and `contract/email.py` what events mean."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from postroad.contract.calls import Type

MEMBERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "userId": "Your own id of the person. A number is taken too and becomes a string.",
        "anonymousId": "An id for a person you can't name yet, such as a visitor of your site.",
        "groupId": "The id of a group: a company, an account, a team.",
        "previousId": "The id that the person had until now.",
        "type": "Which call this is. The path says it already; when both say it, they have to agree.",
        "event": "The name of the event: exact, and case-sensitive.",
        "name": "What the page or screen is called.",
        "properties": "What there is to say about the event. Members of your own are kept and passed on.",
        "traits": "What is known about the person or group. Members of your own are kept and passed on.",
        "timestamp": "When it happened: a date-time of RFC 3339 such as `2024-01-15T10:30:00Z` (no zone means UTC), or "
        "whole milliseconds since 1970 as a number. Without one, the time of receipt counts.",
        "messageId": "Your id of this very event. Send it again with the same id and it is still stored once. Without "
        "one we make one, and a resend is another event.",
        "context": "Where the event comes from. Members of your own are kept and passed on.",
        "integrations": "Which destinations get the event. Left out, or empty: every one.",
        "sentAt": "When your app sent the request, RFC 3339. It is kept; no clock is corrected with it.",
        "originalTimestamp": "The time as a client library first noted it, RFC 3339. It is kept; `timestamp` is what "
        "counts.",
        "writeKey": "The write key, for clients that can't set a header. A key in the header goes first, and "
        "both have to be of one source.",
        "batch": "The calls, each with its own `type`. They are taken together: in strict mode all or none.",
    }
)
"""Members of a call, or of a batch around it."""

CONTEXT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "traits": "What was known about the recipient at that moment.",
        "email": "The address the email went to.",
        "ip": "The address the recipient acted from.",
        "user_agent": "The program the recipient acted with.",
        "userAgent": "The program the person used.",
        "locale": "Language and country, such as `en-GB`.",
    }
)
"""Members of `context` and of its `traits`."""

CALLS: Final[Mapping[Type, tuple[str, str]]] = MappingProxyType(
    {
        Type.TRACK: ("Report what happened", "Something happened to a person, a group or an email."),
        Type.IDENTIFY: ("Say who a person is", "Ties an id to traits such as a name and an address."),
        Type.PAGE: ("Report a page view", "A person looked at a page of your site."),
        Type.SCREEN: ("Report a screen view", "A person looked at a screen of your app."),
        Type.GROUP: ("Put a person into a group", "Says which company, account or team a person belongs to."),
        Type.ALIAS: ("Join two ids", "Says that two ids are one person."),
    }
)
"""Title and first sentence of each call."""
