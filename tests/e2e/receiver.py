"""A webhook receiver on loopback that counts what it gets and fails on request."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator

from aiohttp import web


class Receiver:
    """`received` counts message ids; `failing` makes every answer a 500."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.failing = False
        self.url = ""
        self._changed = asyncio.Condition()

    async def has(self, ids: set[str], patience: float = 60.0) -> None:
        """Return once every one of these ids came at least once."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: ids <= self.received.keys()), patience)

    async def count(self, events: int, patience: float = 60.0) -> None:
        """Return once this many different events came."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: len(self.received) >= events), patience)

    async def take(self, request: web.Request) -> web.Response:
        """Answer one delivery."""
        body = json.loads(await request.read())
        if self.failing:
            return web.Response(status=500, text="not now")
        async with self._changed:
            self.received[body["messageId"]] += 1
            self._changed.notify_all()
        return web.Response(status=200)


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens while the context lasts."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield receiver
    finally:
        await runner.cleanup()
