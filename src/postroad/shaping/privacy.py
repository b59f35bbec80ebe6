"""What a destination may learn of a person: pure, from the bytes of an event to the bytes it gets.

| setting | the members it is about, at any depth |
|---|---|
| `email` | `email`, `email_address`, `emailAddress`; and what is said below |
| `ip` | `ip`, `ip_address`, `ipAddress` |
| `user_agent` | `user_agent`, `userAgent`, `userAgentData` |
| `link_url` | `link_url`, `linkUrl` |

`drop` leaves the member out. `hash` puts the HMAC-SHA-256 of a text in its place, in hexadecimal: the same text
has the same hash at every destination of an installation. An address is stripped of spaces around it and made lower
case first; everything else is hashed as it is written. What is no text can't be hashed and is left out; null stays.

An address is also hidden where people are named by it: `userId`, `user_id`, `anonymousId` and `previousId` that look
like an address, and every other text that is exactly an address found in this event. It is not looked for inside
longer texts, such as a subject or a URL. `messageId` is never touched.

Everything else keeps its bytes, numbers included; only spaces between members may go, and of a member that is there
twice the last one stays.
"""

import hmac
import re
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Final, Literal

import msgspec
from msgspec import Raw

from postroad.config.model import Pii

_Field = Literal["email", "ip", "user_agent", "link_url"]
_Replace = Callable[[str, Raw], Raw | None]

_FIELDS: Final = MappingProxyType[str, _Field](
    {
        "email": "email",
        "email_address": "email",
        "emailAddress": "email",
        "ip": "ip",
        "ip_address": "ip",
        "ipAddress": "ip",
        "user_agent": "user_agent",
        "userAgent": "user_agent",
        "userAgentData": "user_agent",
        "link_url": "link_url",
        "linkUrl": "link_url",
    }
)
_IDS: Final = frozenset({"userId", "user_id", "anonymousId", "previousId"})
_ADDRESS: Final = re.compile(r"\s*[^\s@]+@[^\s@]+\s*")
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ARRAY: Final = msgspec.json.Decoder(list[Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_ENCODE: Final = msgspec.json.Encoder().encode
_NULL: Final = b"null"
_KEY_BYTES: Final = 32


class Mask:
    """Hides personal data. `key` is the secret of the hashes, 32 bytes."""

    def __init__(self, modes: Pii, key: bytes) -> None:
        """Raises `ValueError` when something is hashed and the key has another size."""
        if modes.need_key and len(key) != _KEY_BYTES:
            raise ValueError(f"the key of the hashes has {len(key)} bytes, it must have {_KEY_BYTES}")
        self._modes = modes
        self._key = key

    def __call__(self, body: bytes) -> bytes:
        """Return the body of an event as the destination may see it."""
        addresses: set[str] = set()
        masked = _rewrite_object(body, partial(self._by_name, addresses))
        # Where one was found, it may also stand under other names; "\u0040" is a way to write "@".
        if addresses and (b"@" in masked or b"\\u" in masked):
            masked = _rewrite_object(masked, partial(self._by_value, addresses))
        return masked

    def _by_name(self, addresses: set[str], name: str, value: Raw) -> Raw | None:
        field = _FIELDS.get(name)
        if field is None and name in _IDS and _looks_like_address(value):
            field = "email"
        if field is None or getattr(self._modes, field) == "pass" or _first(value) == "[":
            return value  # the members of an array go by its name
        text = _text(value)
        if field == "email" and text is not None and "@" in text:
            addresses.add(_normalised(text))
        return self._hidden(field, value, text)

    def _by_value(self, addresses: set[str], name: str, value: Raw) -> Raw | None:
        text = _text(value)
        if text is None or name == "messageId" or _normalised(text) not in addresses:
            return value
        return self._hidden("email", value, text)

    def _hidden(self, field: _Field, value: Raw, text: str | None) -> Raw | None:
        if getattr(self._modes, field) == "drop":
            return None
        if text is None:
            return value if bytes(value) == _NULL else None
        plain = _normalised(text) if field == "email" else text
        return Raw(_ENCODE(hmac.digest(self._key, plain.encode(), "sha256").hex()))


def _rewrite_object(value: bytes | Raw, replace: _Replace) -> bytes:
    kept = {}
    for name, member in _OBJECT.decode(value).items():
        new = _rewrite(name, member, replace)
        if new is not None:
            kept[name] = new
    return _ENCODE(kept)  # anew even if nothing was replaced: a name that is there twice would hide the first


def _rewrite(name: str, value: Raw, replace: _Replace) -> Raw | None:
    new = replace(name, value)
    if new is not value:
        return new
    if _first(value) == "{":
        return Raw(_rewrite_object(value, replace))
    if _first(value) == "[":
        members = (_rewrite(name, member, replace) for member in _ARRAY.decode(value))
        return Raw(_ENCODE([member for member in members if member is not None]))
    return value


def _first(value: Raw) -> str:
    return chr(memoryview(value)[0])


def _text(value: Raw) -> str | None:
    return _TEXT.decode(value) if _first(value) == '"' else None


def _looks_like_address(value: Raw) -> bool:
    text = _text(value)
    return text is not None and _ADDRESS.fullmatch(text) is not None


def _normalised(address: str) -> str:
    return address.strip().lower()
