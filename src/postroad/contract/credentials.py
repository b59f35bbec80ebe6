"""Where a call's write key can be, and in which disguises.

The documented form is HTTP Basic with the key as user name and an empty password. Official clients and
readers of the docs also send it without the colon, not encoded at all, or as a Bearer token.
"""

import base64
import binascii
import re
from collections.abc import Generator
from typing import Final

import msgspec
from msgspec import Raw

from postroad.contract.envelope import first_item_in_steps
from postroad.contract.limits import EVENT_BYTES
from postroad.contract.split import Unbalanced, member_of, pieces

_UNREADABLE = (ValueError, RecursionError)  # no JSON or no UTF-8; too deep
_MEMBERS: Final = 1_000
"""Members of an unreadable event among which a key is looked for; a real one has some twenty."""
_NAMED: Final = 16
_NAMES: Final = re.compile(rb'"writeKey"[ \t\r\n]*+:[ \t\r\n]*+("(?:[^"\\]|\\.){0,512}+")')


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


_BODY = msgspec.json.Decoder(_Keyed)


def keys_in_body(body: bytes) -> tuple[str, ...]:
    """Return the write keys in a call's body: its own `writeKey`, then that of the first item of its batch.

    Browser and mobile clients send no other. A body that is no JSON object has none, but for a single event's
    own key: whose it is shows even when the rest of it can't be read.
    """
    steps = keys_in_steps(body)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: tuple[str, ...] = end.value
            return found


def keys_in_steps(body: bytes) -> Generator[None, None, tuple[str, ...]]:
    """Do the same as `keys_in_body`, and yield between steps of a few milliseconds. Takes time and memory linear in the
    bytes, and makes no items: nobody knows yet whether anybody will want them.
    """
    if b'Key"' not in body:
        return ()
    own, item = yield from first_item_in_steps(body)
    keys = (own, key_of(item) if item else None)
    return tuple(dict.fromkeys(key for key in keys if key))


def keys_named_in(text: bytes) -> tuple[str, ...]:
    """Return the first keys that a text names as a `writeKey`, wherever: of a body of which only the beginning is read,
    and which may still be anybody's.
    """
    found: dict[str, None] = {}
    for match in _NAMES.finditer(text):
        try:
            found[msgspec.json.decode(match[1], type=str)] = None
        except ValueError:  # no JSON, or no UTF-8
            continue
        if len(found) == _NAMED:
            break
    return tuple(found)


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


def _by_hand(event: bytes) -> bytes:
    value = b""
    try:
        for count, piece in enumerate(pieces(event, b"{}")):
            if count == _MEMBERS:
                return b""
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
