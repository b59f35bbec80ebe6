"""The load generator: so many connections, one request at a time on each, every answer's latency kept."""

import argparse
import asyncio
import base64
import json
import os
from collections.abc import Callable
from time import perf_counter

import uvloop

SEED = {
    "userId": "user_12345",
    "type": "track",
    "event": "Email Bounced",
    "timestamp": "2024-01-15T10:30:00.000Z",
    "properties": {
        "email_id": "msg_abc123",
        "email_subject": "Your weekly newsletter",
        "campaign_id": "camp_456",
        "campaign_name": "Weekly Newsletter Campaign",
        "additionalProperty": None,
    },
    "context": {"traits": {"email": "user@example.com"}, "additionalProperty": "anything"},
    "integrations": {"All": False, "Mixpanel": True, "Segment": True},
}


_PLACE = "0000000000"


class Requests:
    """Makes the bytes of requests; each event has a message id of its own. With `batch` it is that many to a call."""

    def __init__(self, host: str, path: str, key: str, batch: int = 0) -> None:
        run = os.urandom(4).hex()
        event = {**SEED, "messageId": f"{run}-{_PLACE}"}
        body = json.dumps({"batch": [event] * batch} if batch else event).encode()
        token = base64.b64encode(f"{key}:".encode()).decode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {token}\r\nX-Strict-Mode: 1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        self._parts = (head + body).split(_PLACE.encode())
        self._count = 0

    def __call__(self) -> bytes:
        """Return the next request."""
        pieces = [self._parts[0]]
        for part in self._parts[1:]:
            self._count += 1
            pieces += (b"%010d" % self._count, part)
        return b"".join(pieces)


class Connection(asyncio.Protocol):
    """Sends a request, waits for the answer, sends the next, until told to stop."""

    def __init__(self, request: Callable[[], bytes], run: "Run") -> None:
        self._request = request
        self._run = run
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Take an answer when it is whole: all of ours end in the two bytes of `{}`, errors in `}}`."""
        self._buffer += data
        if not self._buffer.endswith(b"}"):
            return
        self._run.done(self._buffer[9:12], perf_counter() - self._began)
        self._buffer = b""
        if self._run.going:
            self._next()
        else:
            self._transport.close()

    def _next(self) -> None:
        self._began = perf_counter()
        self._transport.write(self._request())  # type: ignore[attr-defined]


class Run:
    """What one run saw. Latencies in seconds, of the time after the warm-up."""

    def __init__(self) -> None:
        self.going = True
        self.counting = False
        self.latencies: list[float] = []
        self.statuses: dict[str, int] = {}

    def done(self, status: bytes, seconds: float) -> None:
        """Count one answer."""
        if self.counting:
            self.latencies.append(seconds)
            key = status.decode()
            self.statuses[key] = self.statuses.get(key, 0) + 1


async def load(
    host: str, port: int, request: Callable[[], bytes], connections: int, seconds: float
) -> dict[str, object]:
    """Run the load for a fifth of the time as warm-up, then for `seconds`, and return the figures."""
    run = Run()
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(request, run), host, port)
    await asyncio.sleep(seconds / 5)
    run.counting = True
    began = perf_counter()
    await asyncio.sleep(seconds)
    took = perf_counter() - began
    run.counting = run.going = False
    ordered = sorted(run.latencies)
    return {
        "connections": connections,
        "requests_per_second": round(len(ordered) / took),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 2),
        "p99_ms": round(1000 * ordered[len(ordered) * 99 // 100], 2),
        "statuses": run.statuses,
    }


def main() -> None:
    """Run one load and print its figures as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/v1/track")
    parser.add_argument("--key", default="")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=0, help="events a call; 0 sends single calls")
    given = parser.parse_args()
    request = Requests(f"{given.host}:{given.port}", given.path, given.key, given.batch)
    print(json.dumps(uvloop.run(load(given.host, given.port, request, given.connections, given.seconds))))


if __name__ == "__main__":
    main()
