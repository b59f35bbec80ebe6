"""The source `api`: an app that calls the Pipelines API with a write key."""

from typing import Annotated

import msgspec
from msgspec import Meta

from postroad.config.sorts import WriteKeyHashes, WriteKeys


class Api:
    """An app with a write key."""

    class Settings(msgspec.Struct, frozen=True, kw_only=True):
        """Its settings."""

        write_key: Annotated[
            WriteKeys, Meta(description="The key it sends, or a list of keys during rotation.", examples=["${APP_KEY}"])
        ] = frozenset()
        write_key_sha256: Annotated[
            WriteKeyHashes,
            Meta(
                description="SHA-256 of a write key in hexadecimal, or a list, to keep the key itself out of the file.",
                examples=["${APP_KEY_SHA256}"],
            ),
        ] = frozenset()

        def __post_init__(self) -> None:
            """Demand a key: without one nobody can send."""
            if not self.write_key and not self.write_key_sha256:
                raise ValueError("write_key: is required (or `write_key_sha256`)")
