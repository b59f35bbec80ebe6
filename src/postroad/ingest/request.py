"""Reading a request: the headers that matter, and a body of bounded size."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from postroad.ingest.budget import Holding
from postroad.ingest.turns import Turns
from postroad.web.answers import Receive

DISCARD_BYTES: Final = 16 * 1024 * 1024
"""How much of a body that is too large is still read, so that the client gets to see the answer."""


SMALL: Final = 64 * 1024
"""Bytes of a body that are read as they come, and are opened at once."""
_COUNTED: Final = (1 << 62) - 1
"""The largest size that is told apart: a head may announce more than any store can count."""


class Head(NamedTuple):
    """The headers that ingest looks at; empty when absent."""

    authorization: bytes
    strict: bool
    encoding: bytes


class Oversized(NamedTuple):
    """A body over the limit: its first bytes are gone, only how many came is known."""

    size: int


class Disconnected(Exception):
    """The client went away before its request was whole."""


def read_head(headers: Mapping[bytes, bytes]) -> Head:
    """Pick the headers that matter out of a request's, which are by their names in lower case."""
    encoding: bytes = headers.get(b"content-encoding", b"")
    return Head(
        headers.get(b"authorization", b""),
        headers.get(b"x-strict-mode", b"").strip() == b"1",
        encoding.strip().lower() if encoding else b"",
    )


async def read_body(receive: Receive, limit: int, holding: Holding, turns: Turns) -> bytes | Oversized:
    """Return the whole body, or how large it was when it is over `limit` bytes. What is large, or has not come at once,
    counts to what the request holds; pieces of large bodies are read in turns.

    Raises `Disconnected` when the client goes away first, and `Crowded` when all bodies that are held together are too
    much, or those of a share.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message["body"]
    if not message.get("more_body") and len(body) <= SMALL:
        return body
    parts, size = [], 0
    while True:
        size += len(body)
        if size <= limit:
            holding.take(len(body))
            parts.append(body)
        else:
            parts.clear()
            holding.drop()
        if size > DISCARD_BYTES or not message.get("more_body"):
            break
        if size > SMALL:
            await turns.pause()
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body = message["body"]
    return b"".join(parts) if size <= limit else Oversized(size)


def announced(headers: Mapping[bytes, bytes]) -> Oversized | None:
    """Return how large a body will be that is not worth reading any of it, by what its head says."""
    length = headers.get(b"content-length")
    size = int(length) if length else 0
    return Oversized(min(size, _COUNTED)) if size > DISCARD_BYTES else None
