"""The digests of keys: what the dedup tables are made of. They are keyed with a secret of the log, so that nobody
outside can make keys that share one, or tell a key from what is stored of an erased event.
"""

import hashlib
from collections.abc import Callable

Digest = Callable[[bytes, int], int]
"""Maps a key and a 64-bit seed to 64 bits."""

UNKEYED = 0
"""The seed of format 1."""

SECRET_BYTES = 16
_SEED_BYTES = 8
_ERASED_BYTES = 16


def seed_of(secret: bytes) -> int:
    """Return the seed of the log's hashes; `UNKEYED` for a log without a secret."""
    return int.from_bytes(secret[:_SEED_BYTES], "little")


def erased_key(secret: bytes, key: bytes) -> bytes:
    """Return what an erased record has in place of its key."""
    return hashlib.blake2b(key, digest_size=_ERASED_BYTES, key=secret).digest()
