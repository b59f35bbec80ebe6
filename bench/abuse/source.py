"""The well-behaved source: calls at a steady rate, whatever the server does, and how long each took.

A program of its own, so that the attacker's work is not in its figures. A call begins when its time has come, also
while others wait: what is measured is what a client sees, not what a slow server lets it send.
"""

import argparse
import asyncio
import json
from time import perf_counter

import uvloop
from load import Requests

PATIENCE = 60.0


class Calls:
    """Makes calls over a few connections that are kept open, and keeps the figures."""

    def __init__(self, port: int, request: Requests) -> None:
        self._port, self._request = port, request
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.latencies: list[float] = []
        self.refused = 0

    async def call(self) -> None:
        """Make one call; an answer that doesn't come, or is no 200, is a refusal."""
        began = perf_counter()
        try:
            async with asyncio.timeout(PATIENCE):
                pair = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
                status = await _ask(*pair, self._request())
            self._free.append(pair)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            status = b""
        self.refused += status != b"200"
        self.latencies.append(perf_counter() - began)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
    return head[9:12]


async def run(calls: Calls, rate: float, seconds: float) -> dict[str, float]:
    """Call so often a second, for so long, and return the figures."""
    await calls.call()  # the connection, and what the server does once
    calls.latencies.clear()
    began = perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(round(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - perf_counter()))
            tasks.create_task(calls.call())
    ordered = sorted(calls.latencies)
    return {
        "calls": len(ordered),
        "median": 1000 * ordered[len(ordered) // 2],
        "p99": 1000 * ordered[len(ordered) * 99 // 100],
        "worst": 1000 * ordered[-1],
        "refused": calls.refused,
    }


def main() -> None:
    """Run and print the figures as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second")
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    calls = Calls(given.port, Requests(f"127.0.0.1:{given.port}", "/v1/track", given.key))
    print(json.dumps(uvloop.run(run(calls, given.rate, given.seconds))))


if __name__ == "__main__":
    main()
