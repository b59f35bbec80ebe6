"""A webhook receiver that does nothing but count: a bare protocol, so that it is not what is measured.

It answers 200 to every POST. A GET answers with its figures as JSON: requests, events, seconds from the first
to the last arrival, and the milliseconds that events took which carry the time they were sent.
"""

import asyncio
import json
import re
import sys
from time import monotonic

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_SENT = re.compile(rb'"sent_monotonic": ?([0-9.]+)')
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Figures:
    """What arrived since the last reset."""

    def __init__(self) -> None:
        self.requests = self.events = 0
        self.first = self.last = 0.0
        self.latencies: list[float] = []

    def count(self, body: bytes) -> None:
        """Count one request."""
        self.last = monotonic()
        self.first = self.first or self.last
        self.requests += 1
        self.events += body.count(b'"receivedAt":')
        self.latencies += [1000 * (self.last - float(sent)) for sent in _SENT.findall(body)]

    def told(self) -> bytes:
        """Return the figures as an answer."""
        ordered = sorted(self.latencies) or [0.0]
        body = json.dumps(
            {
                "requests": self.requests,
                "events": self.events,
                "seconds": self.last - self.first,
                "p50_ms": round(ordered[len(ordered) // 2], 2),
                "p99_ms": round(ordered[len(ordered) * 99 // 100], 2),
            }
        ).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Receiver(asyncio.Protocol):
    """One connection."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._buffer, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            answer = _OK
            if self._buffer.startswith(b"GET"):
                answer = self._figures.told()
            else:
                self._figures.count(bytes(self._buffer[end + 4 : whole]))
            del self._buffer[:whole]
            self._transport.write(answer)  # type: ignore[attr-defined]


async def main(port: int) -> None:
    """Serve until killed."""
    figures = Figures()
    server = await asyncio.get_running_loop().create_server(lambda: Receiver(figures), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
