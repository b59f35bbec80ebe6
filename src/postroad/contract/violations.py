"""What can be wrong with a call, as a closed list of codes.

A violation is wrong with an event that permissive mode takes all the same; a reason is why something
could not become an event at all. Both are a `Problem`: where, which code, and a sentence.
"""

from enum import StrEnum
from typing import Self

import msgspec


class Code(StrEnum):
    """Every code that an error body, a rejection or a stored violation may carry, with what it means."""

    means: str
    """What is wrong, in a sentence for people; the reference shows it."""

    def __new__(cls, code: str, means: str) -> Self:
        """Make a member; its value is the code alone."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.means = means
        return member

    REQUIRED = "required", "A member that the call needs is missing, null or empty."
    WRONG_TYPE = "wrong_type", "A member has another JSON type than it should."
    BAD_TIMESTAMP = (
        "bad_timestamp",
        "A time is not RFC 3339; `timestamp` may also have no zone, or be whole milliseconds.",
    )
    TYPE_MISMATCH = "type_mismatch", "The body's `type` says another call than the path."
    KEY_MISMATCH = "key_mismatch", "A `writeKey` in the body is no key of the source that the call was taken for."
    SIMILAR_NAME = "similar_name", "The event's name is nearly that of an email event: never a 400, but a note."

    NOT_JSON = "not_json", "The body, a call in a batch, or a member beside the calls is not JSON in UTF-8."
    NOT_AN_OBJECT = "not_an_object", "The body is JSON, but not an object."
    TOO_DEEP = "too_deep", "Objects and lists are nested too deeply."
    TOO_LARGE = "too_large", "The event or the body is over the limit."
    NO_IDENTITY = "no_identity", "The call names nobody."
    NO_EVENT_NAME = "no_event_name", "A track call without the name of its event."
    NOT_A_BATCH = "not_a_batch", "`batch` is missing, empty, too long or not a list."
    UNKNOWN_TYPE = "unknown_type", "A call in a batch doesn't say which of the six it is."
    BAD_ENCODING = "bad_encoding", "`Content-Encoding` is unknown, or the body is not what it says."

    KEY_MISSING = "key_missing", "No write key came with the request."
    KEY_UNKNOWN = "key_unknown", "The write key belongs to no source here."
    KEY_OF_OTHER_REGION = "key_of_other_region", "The write key belongs to another region than this server's."


class Problem(msgspec.Struct, frozen=True, array_like=True):
    """One thing that is wrong: a JSON path (`properties.email_id`; empty for the whole), a code, a sentence."""

    path: str
    code: Code
    message: str

    @property
    def sentence(self) -> str:
        """The sentence as error bodies show it: it starts with the path."""
        return f"{self.path}: {self.message}" if self.path else self.message
