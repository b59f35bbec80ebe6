"""Where a call's write key can be, and in which disguises.

The documented form is HTTP Basic with the key as user name and an empty password. Official clients and
readers of the docs also send it without the colon, not encoded at all, or as a Bearer token.
"""

import base64
import binascii

import msgspec
from msgspec import Raw

from postroad.contract.envelope import Batch
from postroad.contract.limits import EVENT_BYTES
from postroad.contract.split import Unbalanced, member_of, pieces

_UNREADABLE = (ValueError, RecursionError)  # no JSON or no UTF-8; too deep


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

    Browser and mobile clients send no other. A body that is no JSON object has none, but for a single event's
    own key: whose it is shows even when the rest of it can't be read.
    """
    if b'Key"' not in body:
        return ()
    inner: list[Raw] = []
    try:
        found = _BODY.decode(body)
        inner = _LIST.decode(found.batch)[:1] if bytes(found.batch).startswith(b"[") else []
    except _UNREADABLE:
        pass
    keys = [key_of(body), *(key_of(bytes(item)) for item in inner)]
    return tuple(dict.fromkeys(key for key in keys if key))


def key_of(event: bytes) -> str | None:
    """Return the `writeKey` of an event or of one item of a batch, whatever else is wrong with it; None for none."""
    try:
        value = bytes(_BODY.decode(event).writeKey)
    except _UNREADABLE:
        value = _by_hand(event) if len(event) <= EVENT_BYTES else b""
    try:
        return msgspec.json.decode(value, type=str) if value.startswith(b'"') else None
    except _UNREADABLE:
        return None


def keys_in_batch(batch: Batch) -> tuple[str, ...]:
    """Return the write keys that may say whose a batch is: its own, then that of its first item."""
    keys = (batch.write_key, key_of(bytes(batch.items[0])))
    return tuple(dict.fromkeys(key for key in keys if key))


def _by_hand(event: bytes) -> bytes:
    value = b""
    try:
        for piece in pieces(event, b"{}"):
            name, found = member_of(piece or b"")
            value = found if name == "writeKey" else value
    except Unbalanced:
        return b""
    return value


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
