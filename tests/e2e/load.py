"""Clients that behave like the official ones: they send an event until it is answered 200."""

import asyncio
import itertools
import random

import aiohttp
from server import KEY


class Clients:
    """Concurrent senders. `acknowledged` has the message ids that were answered 200."""

    def __init__(self, url: str, seed: int, prefix: str = "m") -> None:
        self._url = f"{url}/v1/track"
        self._prefix = prefix
        self._random = random.Random(seed)
        self._ids = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._progress = asyncio.Condition()
        self.acknowledged: list[str] = []
        self.repeats = 0

    def start(self, count: int) -> None:
        """Start `count` senders."""
        self._tasks = [asyncio.create_task(self._send_for_ever()) for _ in range(count)]

    async def more(self, count: int) -> None:
        """Return once `count` more events were acknowledged."""
        goal = len(self.acknowledged) + count
        async with self._progress:
            await asyncio.wait_for(self._progress.wait_for(lambda: len(self.acknowledged) >= goal), 60)

    async def stop(self) -> None:
        """Let every sender finish the event it is at."""
        self._stopping = True
        await asyncio.wait_for(asyncio.gather(*self._tasks), 60)

    async def _send_for_ever(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            while not self._stopping:
                await self._send(session, f"{self._prefix}-{next(self._ids)}")
                if self.acknowledged and self._random.random() < 0.05:
                    self.repeats += 1
                    await self._send(session, self._random.choice(self.acknowledged), known=True)

    async def _send(self, session: aiohttp.ClientSession, message_id: str, *, known: bool = False) -> None:
        body = {
            "userId": "u",
            "event": "Email Delivered",
            "messageId": message_id,
            "properties": {"email_id": message_id},
        }
        while not await self._try(session, body):
            await asyncio.sleep(0.02)
        if not known:
            async with self._progress:
                self.acknowledged.append(message_id)
                self._progress.notify_all()

    async def _try(self, session: aiohttp.ClientSession, body: dict[str, object]) -> bool:
        try:
            async with session.post(
                self._url, json=body, headers={"X-Strict-Mode": "1", "Authorization": aiohttp.encode_basic_auth(KEY)}
            ) as answer:
                return answer.status == 200 and await answer.read() == b"{}"
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
