"""By what a receiver tells that it has an event already.

A message id is its sender's choice: two sources may use the same one, and whoever has a browser's key can send any. So
what receivers go by is a digest of region, source and message id, and no source can stand in for another. The bare id
is there for those who need it, and for events that were first tried with it.
"""

import hashlib
from enum import IntEnum
from uuid import UUID


class KeyForm(IntEnum):
    """What an event's key is made of. The numbers are stored with what waits for another try: never reuse one."""

    MESSAGE_ID = 0
    """The message id as it is. Everything that was tried before there was a choice."""
    DIGEST = 1
    """`event_key`, written as a UUID."""


def event_key(region: str, source: str, message_id: str) -> UUID:
    """Return what makes an event the same: the first half of a SHA-256 over the three, with NULs between them."""
    same = f"{region}\0{source}\0{message_id}".encode("utf-8", "surrogatepass")
    return UUID(bytes=hashlib.sha256(same).digest()[:16])


def dedup_key(form: int, region: str, source: str, message_id: str) -> str:
    """Return the key of an event in a `KeyForm`."""
    return message_id if form == KeyForm.MESSAGE_ID else str(event_key(region, source, message_id))
