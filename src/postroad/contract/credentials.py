"""Where a call's write key can be, and in which disguises.

The documented form is HTTP Basic with the key as user name and an empty password. Official clients and
readers of the docs also send it without the colon, not encoded at all, or as a Bearer token.
"""

import base64
import binascii

import msgspec
from msgspec import Raw

from postroad.contract.limits import ITEMS


def keys_in_header(authorization: bytes) -> tuple[str, ...]:
    """Return the write keys an Authorization header may mean, the likeliest first; empty when it has none.

    Base64 is taken only when it is strictly valid (padding may be missing); whatever follows `Basic` is
    also tried as the raw key.
    """
    scheme, _, rest = authorization.strip().partition(b" ")
    rest = rest.strip()
    if not rest:
        return ()
    if scheme.lower() == b"bearer":
        return tuple(_texts(rest))
    if scheme.lower() != b"basic":
        return ()
    return tuple(dict.fromkeys([*_texts(_user_name(_from_base64(rest))), *_texts(_user_name(rest)), *_texts(rest)]))


class _Keyed(msgspec.Struct):
    writeKey: Raw = Raw(b"")
    batch: Raw = Raw(b"")


_BODY = msgspec.json.Decoder(_Keyed)
_LIST = msgspec.json.Decoder(list[Raw])


def keys_in_body(body: bytes) -> tuple[str, ...]:
    """Return the write keys in a call's body: its own `writeKey`, then that of the first item of its batch.

    Browser and mobile clients send no other. A body that is no JSON object has none.
    """
    return _keys(body, 1)


def all_keys_in_body(body: bytes) -> tuple[str, ...]:
    """Return the write keys in a call's body: its own, then those of all items of its batch, each once."""
    return _keys(body, ITEMS)


def _keys(body: bytes, items: int) -> tuple[str, ...]:
    if b'Key"' not in body:
        return ()
    try:
        found = _BODY.decode(body)
        inner = _LIST.decode(found.batch)[:items] if bytes(found.batch).startswith(b"[") else []
        keyed = [found, *(_BODY.decode(item) for item in inner if bytes(item).startswith(b"{"))]
        keys = [msgspec.json.decode(one.writeKey, type=str) for one in keyed if bytes(one.writeKey).startswith(b'"')]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(dict.fromkeys(key for key in keys if key))


def _from_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return b""


def _user_name(pair: bytes) -> bytes:
    return pair.partition(b":")[0]


def _texts(key: bytes) -> list[str]:
    try:
        return [key.decode()] if key else []
    except UnicodeDecodeError:
        return []
