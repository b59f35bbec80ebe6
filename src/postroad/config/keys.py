"""Write keys: how they are made, and the only forms in which they are kept or shown."""

import hashlib
import secrets
from typing import Final

SHORTEST_KEY: Final = 8
"""Characters; a shorter key can be guessed, and is refused where others can reach the server."""

PUBLISHABLE: Final = "pk_"
"""What the keys begin with that are meant for browsers and apps: they are no secret."""

_WORDS: Final = frozenset(
    {"12345678", "123456789", "admin", "api-key", "api_key", "apikey", "changeme", "default", "password", "secret"}
    | {"test", "testing", "token", "write-key", "write_key", "writekey"}
)
_FEWEST: Final = 4


def new_key(region: str, *, publishable: bool = False) -> str:
    """Return a new key with 256 bits of chance: `sk_us_…`, or `pk_us_…` for what runs in a browser or an app."""
    kind = "pk" if publishable else "sk"
    return f"{kind}_{region}_{secrets.token_urlsafe(32)}"


def key_hash(key: str) -> str:
    """Return the SHA-256 of a key in hexadecimal: how a key is stored and compared. Takes any text."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(key: str) -> str:
    """Return the first 8 digits of the key's hash: enough for people to tell keys apart."""
    return key_hash(key)[:8]


def is_trivial(key: str) -> bool:
    """Tell whether anybody would try this key: a word, a character or two, or one over and over."""
    return len(key) < _FEWEST or len(set(key)) < _FEWEST - 1 or key.lower() in _WORDS
