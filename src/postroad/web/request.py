"""Reading a request: the headers that matter, and a body of bounded size."""

from typing import Final, NamedTuple

from postroad.web.answers import Receive, Scope

DISCARD_BYTES: Final = 16 * 1024 * 1024
"""How much of a body that is too large is still read, so that the client gets to see the answer."""


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


def read_head(scope: Scope) -> Head:
    """Pick the headers; of one that comes twice the last counts."""
    authorization = encoding = b""
    strict = False
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value
        elif name == b"x-strict-mode":
            strict = value == b"1"
        elif name == b"content-encoding":
            encoding = value.strip().lower()
    return Head(authorization, strict, encoding)


async def read_body(receive: Receive, limit: int) -> bytes | Oversized:
    """Return the whole body, or how large it was when it is over `limit` bytes.

    Raises `Disconnected` when the client goes away first.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message["body"]
    if not message.get("more_body") and len(body) <= limit:
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        size += len(message["body"])
        if size <= limit:
            parts.append(message["body"])
        else:
            parts.clear()
        if size > DISCARD_BYTES:
            break
    return b"".join(parts) if size <= limit else Oversized(size)
