"""Which source a write key belongs to."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from postroad.config import fingerprint, key_hash
from postroad.contract.credentials import keys_in_header


class ApiSource(NamedTuple):
    """Who sends to us with a write key: a source of any type. `always_strict` gives it real status codes whatever its
    header says; `is_public` says that anybody may have its key.
    """

    name: str
    region: str
    always_strict: bool
    is_public: bool = False


class KeyRing:
    """Finds sources by the SHA-256 of their keys.

    The keys themselves are never held, and how long a look-up takes tells nothing about them: what is
    compared is the digest, which a caller can't steer.
    """

    def __init__(self, sources: Mapping[str, ApiSource]) -> None:
        """`sources` is keyed by the `key_hash` of the write key."""
        self._sources = dict(sources)
        self._headers: dict[bytes, ApiSource] = {}

    def by_header(self, authorization: bytes) -> ApiSource | None:
        """Return the source whose key this Authorization header holds in any of its disguises."""
        digest = hashlib.sha256(authorization).digest()
        source = self._headers.get(digest)
        if source is None:
            source = self.by_keys(keys_in_header(authorization))
            if source is not None:
                if len(self._headers) >= 1024:  # noqa: PLR2004  # far more than the forms in use
                    self._headers.clear()
                self._headers[digest] = source
        return source

    def by_keys(self, keys: Iterable[str]) -> ApiSource | None:
        """Return the source of the first key that belongs to one."""
        for key in keys:
            source = self._sources.get(key_hash(key))
            if source is not None:
                return source
        return None


def fingerprint_of(keys: Iterable[str]) -> str:
    """Return the fingerprint of the first key, empty when there is none."""
    return next((fingerprint(key) for key in keys), "")
