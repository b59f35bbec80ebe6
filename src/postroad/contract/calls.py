"""The six calls of the API and whom each must name."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class Type(IntEnum):
    """Which call. The numbers are stored with every event: never reuse one."""

    TRACK = 1
    IDENTIFY = 2
    PAGE = 3
    SCREEN = 4
    GROUP = 5
    ALIAS = 6

    wire: str
    """The word in `type` and in the path."""

    def __init__(self, _number: int) -> None:
        self.wire = self.name.lower()  # not a property: every request asks


TYPES: Final[Mapping[str, Type]] = MappingProxyType({call.wire: call for call in Type})

IDENTITY: Final[Mapping[Type, tuple[str, ...]]] = MappingProxyType(
    {
        Type.TRACK: ("userId", "anonymousId", "groupId"),
        Type.IDENTIFY: ("userId", "anonymousId", "traits.email"),
        Type.PAGE: ("userId", "anonymousId"),
        Type.SCREEN: ("userId", "anonymousId"),
        Type.GROUP: ("groupId", "userId", "anonymousId"),
        Type.ALIAS: ("userId", "previousId"),
    }
)
"""The members of which at least one must be there, or the call names nobody and can't be used."""

REQUIRED: Final[Mapping[Type, tuple[str, ...]]] = MappingProxyType(
    {Type.GROUP: ("groupId",), Type.ALIAS: ("userId", "previousId")}
)
"""The members without which a call that names somebody is still a violation."""
