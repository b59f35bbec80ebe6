"""The calls of the API, a row for each: their numbers, and which members they may and must have."""

from collections.abc import Mapping
from enum import IntEnum, unique
from types import MappingProxyType
from typing import Final, Self


@unique
class Type(IntEnum):
    """Which call. The numbers are stored with every event: never reuse one."""

    wire: str
    """The word in `type` and in the path."""

    identity: tuple[str, ...]
    """The members of which at least one must be there, or the call names nobody and can't be used."""

    members: tuple[str, ...]
    """What else this call has of its own."""

    required: tuple[str, ...]
    """The members without which a call that names somebody is still a violation."""

    TRACK = 1, ("userId", "anonymousId", "groupId"), ("event", "properties")
    IDENTIFY = 2, ("userId", "anonymousId", "traits.email"), ("traits",)
    PAGE = 3, ("userId", "anonymousId"), ("name", "properties")
    SCREEN = 4, ("userId", "anonymousId"), ("name", "properties")
    GROUP = 5, ("groupId", "userId", "anonymousId"), ("traits",), ("groupId",)
    ALIAS = 6, ("userId", "previousId"), (), ("userId", "previousId")

    def __new__(cls, number: int, *_: tuple[str, ...]) -> Self:
        """Make a member whose value is the number alone."""
        call = int.__new__(cls, number)
        call._value_ = number
        return call

    def __init__(
        self, _number: int, identity: tuple[str, ...], members: tuple[str, ...], required: tuple[str, ...] = ()
    ) -> None:
        self.wire = self.name.lower()  # not a property: every request asks
        self.identity, self.members, self.required = identity, members, required


TYPES: Final[Mapping[str, Type]] = MappingProxyType({call.wire: call for call in Type})

PATHS: Final[Mapping[str, Type | None]] = MappingProxyType(
    {f"/v1/{path}": call for call in Type for path in (call.wire, call.wire[0])}
    | dict.fromkeys(("/v1/batch", "/v1/b", "/v1/import"))
)
"""Where calls are sent: the long and the one-letter paths; None is a batch. No two begin with the same letter.
`/v1/import` is where Segment's Java client sends its batches.
"""
