"""A TCP proxy on loopback that delays, cuts and stalls what goes through it, by a seeded chance."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator


class UnreliableProxy:
    """Passes bytes on to `port`. While `harm` is set, each piece may be late, lost with its connection, or stuck."""

    def __init__(self, port: int, seed: int) -> None:
        self._target = port
        self._random = random.Random(seed)
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0
        self.harm = False
        self.cuts = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client through."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            ways = [self._carry(reader, far_writer), self._carry(far_reader, writer)]
            await asyncio.wait([asyncio.ensure_future(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
            far_writer.transport.abort()
        writer.transport.abort()
        self._connections.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(16_384):
                fate = self._random.random() if self.harm else 1.0
                if fate < 0.02:  # cut in the middle
                    self.cuts += 1
                    writer.write(piece[: len(piece) // 2])
                    return
                if fate < 0.10:  # late
                    await asyncio.sleep(self._random.uniform(0.01, 0.3))
                elif fate < 0.11:  # stuck: only a timeout helps
                    await asyncio.sleep(5)
                writer.write(piece)
                await writer.drain()

    async def close(self) -> None:
        """Cut every connection."""
        for task in list(self._connections):
            task.cancel()


@contextlib.asynccontextmanager
async def unreliable(port: int, seed: int) -> AsyncIterator[UnreliableProxy]:
    """A proxy in front of `port` while the context lasts."""
    proxy = UnreliableProxy(port, seed)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
