"""What each member, code and event means, in a sentence: the types say the rest."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from postroad.contract.calls import Type
from postroad.contract.email import Kind
from postroad.contract.violations import Code

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

PROPERTIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "email_id": "The id of the email that was sent. It ties everything that happens to one email together.",
        "email_subject": "The subject line.",
        "campaign_id": "The id of the campaign that the email belongs to.",
        "campaign_name": "The campaign's name, as people know it.",
        "link_id": "The id of the link that was followed.",
        "link_url": "Where the link leads. Any string will do.",
        "list_id": "The id of the list that the person left. Without a list, the person left them all.",
        "list_name": "The list's name, as people know it.",
    }
)
"""Members of a semantic event's `properties`."""

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

EVENTS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.BOUNCED: "Send it for every email that comes back, whether the address is gone for good or the mailbox is "
        "only full.",
        Kind.DELIVERED: "Delivered is not read: it may still have been put into the spam folder.",
        Kind.LINK_CLICKED: "Send it for each click; say with `link_url` or `link_id` which link it was.",
        Kind.MARKED_AS_SPAM: "It usually reaches you through the mailbox provider's feedback loop.",
        Kind.OPENED: "Mail programs and proxies open emails by themselves; send the event all the same, with the user "
        "agent if you have it.",
        Kind.UNSUBSCRIBED: "Name the list with `list_id` when only one list was left.",
    }
)
"""What to know before sending an event; its first sentence is the docstring of its type."""

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

CODES: Final[Mapping[Code, str]] = MappingProxyType(
    {
        Code.REQUIRED: "A member that the call needs is missing, null or empty.",
        Code.WRONG_TYPE: "A member has another JSON type than it should.",
        Code.BAD_TIMESTAMP: "A time is not RFC 3339; `timestamp` may also have no zone, or be whole milliseconds.",
        Code.TYPE_MISMATCH: "The body's `type` says another call than the path.",
        Code.KEY_MISMATCH: "A `writeKey` in the body is no key of the source that the call was taken for.",
        Code.NOT_JSON: "The body, a call in a batch, or a member beside the calls is not JSON in UTF-8.",
        Code.NOT_AN_OBJECT: "The body is JSON, but not an object.",
        Code.TOO_DEEP: "Objects and lists are nested too deeply.",
        Code.TOO_LARGE: "The event or the body is over the limit.",
        Code.NO_IDENTITY: "The call names nobody.",
        Code.NO_EVENT_NAME: "A track call without the name of its event.",
        Code.NOT_A_BATCH: "`batch` is missing, empty, too long or not a list.",
        Code.UNKNOWN_TYPE: "A call in a batch doesn't say which of the six it is.",
        Code.BAD_ENCODING: "`Content-Encoding` is unknown, or the body is not what it says.",
        Code.KEY_MISSING: "No write key came with the request.",
        Code.KEY_UNKNOWN: "The write key belongs to no source here.",
        Code.KEY_OF_OTHER_REGION: "The write key belongs to another region than this server's.",
    }
)
"""What `code` in `meta.details` means."""

ERRORS: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "invalid": (400, "The request breaks the contract. Sending it again unchanged can't help."),
        "unauthorized": (401, "The write key is missing, unknown, or of another region."),
        "not_found": (404, "There is nothing at this path."),
        "method_not_allowed": (405, "The path exists, but not for this method; `Allow` names those it has."),
        "unavailable": (503, "Nothing could be stored just now. Send it again after `Retry-After` seconds."),
        "internal": (500, "A bug of ours. Tell us the `X-Request-Id`."),
    }
)
"""What `code` at the top of an error body means, with the status it comes with."""
