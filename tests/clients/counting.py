"""A proxy on loopback that passes bytes on untouched, and writes down every request and what it was answered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httptools

CHUNK = 64 * 1024


@dataclass
class Exchange:
    """A request and its answer; header names in lower case, times in seconds of the loop's clock, status 0 for none."""

    method: str
    path: str
    headers: dict[str, str]
    sent: float
    body: bytes = b""
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    answered: float = 0.0


class Proxy:
    """Passes on to one port. `exchanges` are in the order in which requests began.

    While `losing` is above 0, the answer to a POST is thrown away once it came, and the client is cut off: what a
    network does that breaks at the worst moment.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = 0
        self.exchanges: list[Exchange] = []
        self.losing = 0

    @property
    def url(self) -> str:
        """Where clients are pointed."""
        return f"http://127.0.0.1:{self.port}"

    def calls(self) -> list[Exchange]:
        """Return the POSTs."""
        return [exchange for exchange in self.exchanges if exchange.method == "POST"]

    def statuses(self) -> list[int]:
        """Return what the POSTs were answered."""
        return [exchange.status for exchange in self.calls()]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, in both directions, until either side ends it."""
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        open_exchanges: list[Exchange] = []
        ways = [
            asyncio.create_task(self._requests(reader, upstream_writer, open_exchanges)),
            asyncio.create_task(self._answers(upstream_reader, writer, open_exchanges)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            upstream_writer.close()
            writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, open_exchanges: list[Exchange]
    ) -> None:
        notes = _RequestNotes(open_exchanges, self.exchanges)
        while data := await reader.read(CHUNK):
            notes.parser.feed_data(data)
            writer.write(data)
            await writer.drain()

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, open_exchanges: list[Exchange]
    ) -> None:
        notes, held = _AnswerNotes(open_exchanges), b""
        while data := await reader.read(CHUNK):
            held += data
            notes.parser.feed_data(data)
            if self.losing and any(exchange.method == "POST" for exchange in notes.finished):
                self.losing -= 1
                return
            if notes.finished:
                notes.finished.clear()
                writer.write(held)
                await writer.drain()
                held = b""


@contextlib.asynccontextmanager
async def proxying(upstream: int) -> AsyncIterator[Proxy]:
    """A proxy that listens while the context lasts."""
    proxy = Proxy(upstream)
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(proxy.serve(reader, writer)))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


class _RequestNotes:
    """What the parser says of the requests of one connection."""

    def __init__(self, open_exchanges: list[Exchange], exchanges: list[Exchange]) -> None:
        self._open, self._all = open_exchanges, exchanges
        self._url, self._headers = b"", {}
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self._url, self._headers = b"", {}

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        method, now = self.parser.get_method().decode(), asyncio.get_running_loop().time()
        exchange = Exchange(method, self._url.decode(), self._headers, now)
        self._open.append(exchange)
        self._all.append(exchange)

    def on_body(self, body: bytes) -> None:
        self._all[-1].body += body


class _AnswerNotes:
    """What the parser says of the answers on one connection."""

    def __init__(self, open_exchanges: list[Exchange]) -> None:
        self._open = open_exchanges
        self.finished: list[Exchange] = []
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._open[0].answer_headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._open[0].answer += body

    def on_message_complete(self) -> None:
        exchange = self._open.pop(0)
        exchange.status = self.parser.get_status_code()
        exchange.answered = asyncio.get_running_loop().time()
        self.finished.append(exchange)
