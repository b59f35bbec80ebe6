"""The attacker's side: raw requests over many connections, bounded in number and time."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from report import Sent

BROWSER_KEY = "abuse-browser-key"
"""The key that anybody has."""
_AGAIN_AFTER = 2.0
_OPENING = 64
"""Connections that are held and opened at the same time."""


class Attacker:
    """Sends what an attack makes, until `over`, and counts. `port` is that of the server, on loopback."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.over = asyncio.Event()
        self._requests = self._bytes = self._received = 0
        self._statuses: Counter[str] = Counter()
        self._opening = asyncio.Semaphore(_OPENING)

    @property
    def sent(self) -> Sent:
        """What was sent so far."""
        return Sent(self._requests, self._bytes, self._received, self._statuses)

    async def flood(
        self, connections: int, requests: Iterator[bytes], pause: float = 0.0, address: str = "127.0.0.1"
    ) -> None:
        """Take requests from the iterator over so many connections, one after the other on each, until it ends or the
        attack is over; `pause` is seconds between two of them on one connection, `address` the loopback one it is from.
        """
        tasks = [asyncio.create_task(self._one_connection(requests, pause, address)) for _ in range(connections)]
        await self._until_over(tasks)

    async def hold(self, connections: int, beginning: bytes = b"", address: str = "127.0.0.1") -> None:
        """Open so many connections, send a beginning on each, and keep them until the attack is over; one that is
        closed is opened again a while later.
        """
        tasks = [asyncio.create_task(self._hold_one(beginning, address)) for _ in range(connections)]
        await self._until_over(tasks)

    async def _until_over(self, tasks: list[asyncio.Task[None]]) -> None:
        done, over = asyncio.gather(*tasks, return_exceptions=True), asyncio.create_task(self.over.wait())
        await asyncio.wait((done, over), return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, over):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await done

    async def _one_connection(self, requests: Iterator[bytes], pause: float, address: str) -> None:
        while not self.over.is_set():
            try:
                reader, writer = await self._connect(address)
                with contextlib.closing(writer):
                    for request in requests:
                        await self._ask(reader, writer, request)
                        await asyncio.sleep(pause)
                    return
            except (OSError, asyncio.IncompleteReadError):
                self._statuses["closed"] += 1
                await asyncio.sleep(0.05)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        self._requests += 1
        self._bytes += len(request)
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        self._received += len(head) + length
        self._statuses[head[9:12].decode()] += 1

    async def _hold_one(self, beginning: bytes, address: str) -> None:
        while not self.over.is_set():
            try:
                async with self._opening:
                    reader, writer = await self._connect(address)
                with contextlib.closing(writer):
                    self._requests += 1
                    self._bytes += len(beginning)
                    writer.write(beginning)
                    answer = await reader.read(65_536)
                    self._received += len(answer)
                    self._statuses[answer[9:12].decode() or "closed"] += 1
            except OSError:
                self._statuses["closed"] += 1
            await asyncio.sleep(_AGAIN_AFTER)

    async def _connect(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))


def request(path: str, body: bytes, *headers: str, key: str | None = None) -> bytes:
    """Return the bytes of a POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join([*lines, "", ""]).encode() + body
