"""One request and its answer: what the connection hands to whoever answers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from postroad.web.answers import Header
from postroad.web.wire.policy import Head, read_target, wants_continue


class Peer(NamedTuple):
    """Who is at the other end, and how it reaches us."""

    client: tuple[str, int] | None
    server: tuple[str, int] | None
    scheme: str


class Gone(Exception):
    """The client left, or sent what is no HTTP, before its request was whole."""


class Line(Protocol):
    """What an exchange needs of its connection."""

    def go_on(self) -> None:
        """Send `100 Continue`."""

    def taken(self) -> None:
        """The pieces that had come were taken: there is room for more."""

    def send(self, exchange: "Exchange", status: int, headers: Sequence[Header], body: bytes) -> None:
        """Send the answer."""

    def give_up(self, exchange: "Exchange") -> None:
        """End the connection: there is no answer."""


class Exchange:
    """A request whose head is whole and acceptable.

    The body comes in pieces, or all at once. Exactly one answer is due, by `answer` or `give_up`; it may come before
    the body is whole, and long after. The connection begins with no other request before that.
    """

    __slots__ = (
        "_gone",
        "_line",
        "_wake",
        "answered",
        "head",
        "headers",
        "held",
        "path",
        "peer",
        "pieces",
        "query",
        "waits",
        "whole",
    )

    def __init__(self, head: Head, peer: Peer, line: Line) -> None:
        target = read_target(head.target)
        self.head = head
        self.peer = peer
        self.path, self.query = target.path, target.query
        self.headers = head.headers
        if target.authority:  # what is asked counts, whatever Host says: RFC 9112, 3.2.2
            self.headers = [header for header in head.headers if header[0] != b"host"]
            self.headers = [(b"host", target.authority), *self.headers]
        self.pieces: list[bytes] = []
        self.whole = False
        """Whether all of the body has come: what is not in `pieces` was taken."""
        self.answered = False
        self.held = False
        """Whether the answer is held back on purpose: the connection may then make room for another."""
        self.waits = wants_continue(head)
        """Whether the client waits with the body until it is told to go on."""
        self._gone = False
        self._line = line
        self._wake: asyncio.Future[None] | None = None

    async def piece(self) -> tuple[bytes, bool]:
        """Return what has come of the body since the last time, and whether that is the end of it.

        Waits until there is something. Raises `Gone`.
        """
        if self.waits and not self.whole and not self.pieces and not self.answered:
            self.waits = False
            self._line.go_on()
        while not self.pieces and not self.whole and not self._gone:
            await self._waiting()
        if not self.whole and self._gone:
            raise Gone
        body = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
        self.pieces.clear()
        self._line.taken()  # which may bring the next piece, and the end with it
        return body, self.whole and not self.pieces

    async def left(self) -> None:
        """Wait until the client is gone, or has its answer."""
        while not self._gone and not self.answered:
            await self._waiting()

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Send the answer; nothing if the client is gone. `headers` say nothing of length, date and connection."""
        if self.answered:
            return
        self.answered = True
        self._line.send(self, status, headers, body)
        self.wake()

    def hold(self) -> None:
        """Say that the answer is held back on purpose."""
        self.held = True

    def give_up(self) -> None:
        """End the connection without an answer."""
        if not self.answered:
            self.answered = True
            self._line.give_up(self)

    def lose(self) -> None:
        """The client is gone: nothing more comes, and nobody reads the answer."""
        self._gone = True
        self.wake()

    def wake(self) -> None:
        """Something changed that `piece` or `left` may wait for."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _waiting(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None


Begin = Callable[[Exchange], None]
"""Takes up an exchange, as soon as its head is whole: starts what will answer it, or answers at once."""
