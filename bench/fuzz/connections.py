"""A connection without a socket: the wire and the whole app behind it, as bytes come in and answers go out."""

import asyncio
from typing import Any, Final

from house import House, Reply, check, demand
from material import KEY

from postroad.contract.calls import PATHS
from postroad.contract.credentials import keys_in_header
from postroad.web.wire.asgi import AsgiBridge
from postroad.web.wire.connection import Connection
from postroad.web.wire.exchange import Peer
from postroad.web.wire.policy import Rule

_LONG: Final = 20.0
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Socket(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = bytearray()
        self.paused = self.closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """All is taken at once."""

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        demand(not self.paused, "reading is stopped once")
        self.paused = True

    def resume_reading(self) -> None:
        demand(self.paused, "reading goes on once")
        self.paused = False

    def write(self, data: Any) -> None:
        demand(not self.closed, "nothing is written to what is closed", data)
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The other side learns of it."""

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class _Server:
    """What a connection needs, and what it is asked."""

    patience = keep_alive = 20.0
    date = b"Thu, 01 Jan 2026 00:00:00 GMT"
    stopping = False

    def __init__(self, house: House) -> None:
        self._app = house.app
        self.bridge = AsgiBridge(self._noted)
        self.begin = self.bridge.begin
        self.asked: list[Any] = []
        self.rules: list[Rule] = []

    async def _noted(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope)
        await self._app(scope, receive, send)

    def entered(self, connection: Connection) -> None:
        """It begins."""

    def left(self, connection: Connection) -> None:
        """It is over."""

    def refused(self, rule: Rule, _peer: Peer, _request_id: bytes) -> None:
        self.rules.append(rule)


async def try_connection(house: House, parts: list[bytes]) -> None:
    """Send all parts, then the end; demand an answer to each request that was whole, and one to what broke a rule."""
    server, socket = _Server(house), _Socket()
    connection = Connection(server)
    connection.connection_made(socket)
    async with asyncio.timeout(_LONG):
        for part in parts:
            while socket.paused and not socket.closed:  # noqa: ASYNC110  # a transport tells nobody
                await asyncio.sleep(0.0005)
            if socket.closed:
                break
            connection.data_received(part)
            if len(part) % 2:  # sometimes answers are ready before the next part, sometimes not
                await asyncio.sleep(0)
        if not socket.closed and not connection.eof_received():
            socket.close()
        await _settle(server, socket)
        connection.connection_lost(None)
        await _settle(server, socket)
    _judge(server, bytes(socket.written))


async def _settle(server: _Server, socket: _Socket) -> None:
    rounds = 0
    while server.bridge.running and not (socket.closed and rounds > 3):  # noqa: PLR2004  # who is gone is told first
        await asyncio.wait(list(server.bridge.running.values()), timeout=None if not socket.closed else 0)
        rounds += 1
    await asyncio.sleep(0)


def _judge(server: _Server, written: bytes) -> None:
    replies = _replies(written, server.asked)
    asked = server.asked
    demand(len(replies) <= len(asked) + len(server.rules), "there is one answer to one request", replies)
    demand(len(server.rules) <= 1, "a connection is refused once", server.rules)
    for reply in replies:
        check(reply)
    for scope, reply in zip(asked, replies, strict=False):
        if scope["method"] == "POST" and scope["path"] in PATHS and _is_permissive(scope):
            framing = len(server.rules) == 1 and reply is replies[-1]
            demand(reply.status == 200 or framing, "permissive mode says 200", scope, reply)  # noqa: PLR2004


def _is_permissive(scope: Any) -> bool:
    """Tell whether the header says so; without a key in it the body may name the source that is always strict."""
    headers = dict(scope["headers"])
    keys = keys_in_header(headers.get(b"authorization", b""))
    return KEY in keys and headers.get(b"x-strict-mode", b"").strip() != b"1"


def _replies(written: bytes, asked: list[Any]) -> list[Reply]:
    found: list[Reply] = []
    while written:
        if written.startswith(_CONTINUE):
            written = written.removeprefix(_CONTINUE)
            continue
        head, end, written = written.partition(b"\r\n\r\n")
        demand(bool(end) and head.startswith(b"HTTP/1.1 "), "what is written is an answer", head)
        lines = head.split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines[1:])
        size = int(headers.get(b"content-length", b"0"))
        if len(found) < len(asked) and asked[len(found)]["method"] == "HEAD":
            found.append(Reply(200, headers, b""))
            continue
        demand(len(written) >= size, "an answer is whole", head)
        found.append(Reply(int(lines[0].split(b" ")[1]), headers, written[:size]))
        written = written[size:]
    return found
