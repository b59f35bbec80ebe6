"""Reading a request: the headers that matter, and a body of bounded size."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from postroad.errors import StoreBusy
from postroad.web.answers import Receive

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


class Intake:
    """Counts the bytes of bodies that are being received, over all connections, and refuses beyond `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    def take(self, size: int) -> None:
        """Count bytes in. Raises `StoreBusy` when there are too many; they are not counted then."""
        if self.held + size > self._limit:
            raise StoreBusy(f"{self.held} bytes of bodies are being received; the limit is {self._limit}")
        self.held += size

    def give_back(self, size: int) -> None:
        """Count bytes out."""
        self.held -= size


def read_head(headers: Mapping[bytes, bytes]) -> Head:
    """Pick the headers that matter out of a request's, which are by their names in lower case."""
    encoding: bytes = headers.get(b"content-encoding", b"")
    return Head(
        headers.get(b"authorization", b""),
        headers.get(b"x-strict-mode", b"").strip() == b"1",
        encoding.strip().lower() if encoding else b"",
    )


async def read_body(receive: Receive, limit: int, intake: Intake) -> bytes | Oversized:
    """Return the whole body, or how large it was when it is over `limit` bytes.

    Raises `Disconnected` when the client goes away first, and `StoreBusy` when all bodies that are being
    received together are too much.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message["body"]
    if not message.get("more_body") and len(body) <= limit:
        return body
    counted = 0
    try:
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            piece: bytes = message["body"]
            size += len(piece)
            if size <= limit:
                intake.take(len(piece))
                counted += len(piece)
                parts.append(piece)
            else:
                parts.clear()
            if size > DISCARD_BYTES:
                break
        return b"".join(parts) if size <= limit else Oversized(size)
    finally:
        intake.give_back(counted)
