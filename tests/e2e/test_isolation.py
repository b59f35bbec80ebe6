"""Five destinations that fail in five ways, and five beside them that must not feel it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp import web
from server import KEY, Server

from postroad.clock import SystemClock

pytestmark = [pytest.mark.full, pytest.mark.alone, pytest.mark.timeout(300)]

HEALTHY = [f"healthy-{number}" for number in range(5)]
FAILING = ["hanging", "resetting", "broken", "limited", "poisoned"]
RATE, SECONDS = 40, 20
CLOCK = SystemClock()


class Ways:
    """The far side of all ten. `ill` turns the failing five on; `latencies` are those of the healthy, in seconds."""

    def __init__(self) -> None:
        self.ill = False
        self.latencies: list[float] = []
        self.arrived: dict[str, set[str]] = {name: set() for name in HEALTHY}
        self._stop = asyncio.Event()

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Answer one delivery, by the destination's name in the path."""
        name = request.match_info["name"]
        event = json.loads(await request.read())
        if name in HEALTHY:
            self.latencies.append(CLOCK.monotonic() - event["context"]["sent"])
            self.arrived[name].add(event["messageId"])
            return web.Response()
        return await self._fail(name, request, event) if self.ill else web.Response()

    async def _fail(self, name: str, request: web.Request, event: dict[str, str]) -> web.StreamResponse:
        if name == "hanging":
            await self._stop.wait()
        if name == "resetting" and request.transport is not None:
            request.transport.abort()
        if name == "poisoned" and event["messageId"].endswith("7"):
            return web.Response(status=400, text="not this one")
        statuses = {"broken": 500, "limited": 429}
        return web.Response(status=statuses.get(name, 200), headers={"Retry-After": "2"})

    def end(self) -> None:
        """Let what hangs go."""
        self._stop.set()


class Measured(NamedTuple):
    """99th percentiles in seconds."""

    delivery: float
    ingest: float


async def measured(folder: Path, *, ill: bool) -> Measured:
    """Send at a steady rate to ten destinations; every healthy one must get everything."""
    ways = Ways()
    ways.ill = ill
    app = web.Application()
    app.router.add_post("/{name}", ways.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    server = Server(
        folder,
        "".join(
            f'[destinations.{name}]\ntype = "webhook"\nurl = "http://127.0.0.1:{port}/{name}"\nallow_private = true\n'
            for name in (*HEALTHY, *FAILING)
        ),
    )
    await server.start()
    sent, took = await _send(server.url)
    async with asyncio.timeout(30):
        while any(ids != sent for ids in ways.arrived.values()):
            await asyncio.sleep(0.05)
    ways.end()
    assert await server.stop() == 0
    await runner.cleanup()
    return Measured(_p99(ways.latencies), _p99(took))


async def _send(url: str) -> tuple[set[str], list[float]]:
    took: list[float] = []
    began = CLOCK.monotonic()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:

        async def one(number: int) -> None:
            sent = CLOCK.monotonic()
            event = {"userId": "u", "event": "e", "messageId": f"m{number}", "context": {"sent": sent}}
            async with session.post(f"{url}/v1/track", json=event) as answer:
                assert answer.status == 200
            took.append(CLOCK.monotonic() - sent)

        async with asyncio.TaskGroup() as group:
            for number in range(RATE * SECONDS):
                await asyncio.sleep(max(0.0, began + number / RATE - CLOCK.monotonic()))
                group.create_task(one(number))
    return {f"m{number}" for number in range(RATE * SECONDS)}, took


def _p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]


async def test_the_healthy_do_not_feel_the_failing(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """With five of ten failing, the others' p99 of delivery and that of ingest stay within 1.2 of a healthy run.

    Ten milliseconds are granted beside the ratio: the machine's own noise is of that size.
    """
    (tmp_path / "well").mkdir()
    (tmp_path / "ill").mkdir()
    well = await measured(tmp_path / "well", ill=False)
    ill = await measured(tmp_path / "ill", ill=True)
    record_property("healthy run", well)
    record_property("failing run", ill)
    assert ill.delivery < 1.2 * well.delivery + 0.01, (well, ill)
    assert ill.ingest < 1.2 * well.ingest + 0.01, (well, ill)
