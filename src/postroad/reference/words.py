"""What each member and code means, in a sentence: the types say the rest, and `contract/email.py` what events mean."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from postroad.contract.calls import Type
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
        "timestamp": "When it happened: ISO 8601 (no zone means UTC), or milliseconds since 1970. Without one, the "
        "time of receipt counts.",
        "messageId": "Your id of this very event. Send it again with the same id and it is still stored once. Without "
        "one we make one, and a resend is another event.",
        "context": "Where the event comes from. Members of your own are kept and passed on.",
        "integrations": "Which destinations get the event. Left out, or empty: every one.",
        "sentAt": "When your app sent the request, ISO 8601. It is kept; no clock is corrected with it.",
        "originalTimestamp": "The time as a client library first noted it. It is kept; `timestamp` is what counts.",
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

CODES: Final[Mapping[Code, str]] = MappingProxyType(
    {
        Code.REQUIRED: "A member that the call needs is missing, null or empty.",
        Code.WRONG_TYPE: "A member has another JSON type than it should.",
        Code.BAD_TIMESTAMP: "`timestamp` is neither ISO 8601 nor whole milliseconds.",
        Code.TYPE_MISMATCH: "The body's `type` says another call than the path.",
        Code.KEY_MISMATCH: "A `writeKey` in the body is no key of the source that the call was taken for.",
        Code.NOT_JSON: "The body is not JSON in UTF-8.",
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
