"""A real HTTP server on loopback that keeps what it gets and behaves as badly as it is told."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Self


class Request(NamedTuple):
    """One request, byte for byte: `head` is its first line and headers, `body` what came after."""

    head: bytes
    body: bytes

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}


Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Return the behaviour of answering once and keeping the connection."""
    lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    whole = "\r\n".join([*lines, "", ""]).encode() + body

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(whole)
        await writer.drain()

    return behave


async def hang(writer: asyncio.StreamWriter) -> None:  # noqa: ARG001 -- a behaviour
    """Never answer."""
    await asyncio.Event().wait()


async def reset(writer: asyncio.StreamWriter) -> None:
    """Drop the connection without a word."""
    writer.transport.abort()


async def endless(writer: asyncio.StreamWriter) -> None:
    """Answer 200 with a body that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


async def stall(writer: asyncio.StreamWriter) -> None:
    """Answer 200, begin the body and stop there."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nok so far")
    await writer.drain()
    await asyncio.Event().wait()


async def mumble(writer: asyncio.StreamWriter) -> None:
    """Answer something that is not HTTP."""
    writer.write(b"220 mail.example.com ESMTP\r\n")
    await writer.drain()
    writer.close()


class Receiver:
    """The server: `async with Receiver() as receiver`. `behaviour` answers every request that has come whole."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.behaviour = answer(200)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Its address, by IP address."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the receiver has not started")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def stop(self) -> None:
        """Drop all connections and stop listening. Safe to call twice."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            # Cancelling a connection's task is how `stop` ends it; the server would log it as an error.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    request = Request(head, b"")
                    body = await reader.readexactly(int(request.headers.get("content-length", "0")))
                    self.requests.append(request._replace(body=body))
                    await self.behaviour(writer)
        finally:
            writer.transport.abort()
