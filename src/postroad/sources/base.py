"""What a type of source is: who may send to us, and what the operator says of it."""

from typing import Protocol

import msgspec


class SourceType(Protocol):
    """What a type of source is to the registry: its class.

    `Settings` is a frozen struct, read as that of a destination's type is (see `DestinationType`): each field is
    `Annotated[..., Meta(description=...)]` and the only declaration of that setting. Fields of the types `WriteKeys`
    and `WriteKeyHashes` are keys that the source may send with: one key belongs to one source.
    """

    Settings: type[msgspec.Struct]
