"""How a request can be refused, as a closed list: the `code` at the top of an error body, with its status."""

from enum import Enum


class Error(Enum):
    """Every `code` an error body can have, with its status and what it means for whoever sent the request."""

    INVALID = ("invalid", 400, "The request breaks the contract. Sending it again unchanged can't help.")
    UNAUTHORIZED = ("unauthorized", 401, "The write key is missing, unknown, or of another region.")
    NOT_FOUND = ("not_found", 404, "There is nothing at this path.")
    METHOD_NOT_ALLOWED = (
        "method_not_allowed",
        405,
        "The path exists, but not for this method; `Allow` names those it has.",
    )
    OVER_RATE = (
        "over_rate",
        429,
        "The source has sent more than its rate allows. Send it again after `Retry-After` seconds.",
    )
    UNAVAILABLE = (
        "unavailable",
        503,
        "Nothing could be stored just now. Send it again after `Retry-After` seconds.",
    )
    INTERNAL = ("internal", 500, "A bug of ours. Tell us the `X-Request-Id`.")

    @property
    def code(self) -> str:
        """The word in the body."""
        return self.value[0]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[1]

    @property
    def means(self) -> str:
        """What it means, in a sentence or two for people; the reference shows it."""
        return self.value[2]
