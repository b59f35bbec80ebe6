"""What can be wrong with a call, as a closed list of codes.

A violation is wrong with an event that permissive mode takes all the same; a reason is why something
could not become an event at all. Both are a `Problem`: where, which code, and a sentence.
"""

from enum import StrEnum

import msgspec


class Code(StrEnum):
    """Every code that an error body, a rejection or a stored violation may carry."""

    REQUIRED = "required"
    """A member the call needs is missing, null or empty."""
    WRONG_TYPE = "wrong_type"
    """A member has another JSON type than the contract gives it."""
    BAD_TIMESTAMP = "bad_timestamp"
    """A time is neither RFC 3339 nor one of the forms beside it; for a bad `timestamp` the time of receipt is used."""
    TYPE_MISMATCH = "type_mismatch"
    """The body's `type` contradicts the path; the path wins."""
    KEY_MISMATCH = "key_mismatch"
    """The body's `writeKey` is no key of the source that the call is taken for, by its header or its first key."""

    NOT_JSON = "not_json"
    """The body, an item of a batch, or a member beside the items is not JSON text in UTF-8."""
    NOT_AN_OBJECT = "not_an_object"
    """The body is JSON, but not an object."""
    TOO_DEEP = "too_deep"
    """Objects and arrays are nested too deeply."""
    TOO_LARGE = "too_large"
    """The event or the body is over the size limit."""
    NO_IDENTITY = "no_identity"
    """The call names nobody."""
    NO_EVENT_NAME = "no_event_name"
    """A track call without a name for its event."""
    NOT_A_BATCH = "not_a_batch"
    """`batch` is missing, empty, has too many items or is not a list."""
    UNKNOWN_TYPE = "unknown_type"
    """An item of a batch doesn't say which of the six calls it is."""
    BAD_ENCODING = "bad_encoding"
    """`Content-Encoding` is unknown, or the body is not what it says."""

    KEY_MISSING = "key_missing"
    """No write key in the Authorization header or the body."""
    KEY_UNKNOWN = "key_unknown"
    """The write key belongs to no source."""
    KEY_OF_OTHER_REGION = "key_of_other_region"
    """The write key belongs to another region than the host the call was sent to."""


class Problem(msgspec.Struct, frozen=True, array_like=True):
    """One thing that is wrong: a JSON path (`properties.email_id`; empty for the whole), a code, a sentence."""

    path: str
    code: Code
    message: str

    @property
    def sentence(self) -> str:
        """The sentence as error bodies show it: it starts with the path."""
        return f"{self.path}: {self.message}" if self.path else self.message
