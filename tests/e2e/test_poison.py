"""One kind of event that a receiver always answers with 500, in front of everything else: on the real server."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from server import KEY, Server, until

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]

POISON, GOOD, LATER = 12_000, 200, 20
RETRY = 'retry = {first = "100ms", factor = 2, max_interval = "2s", max_age = "20s"}'


class Receiver:
    """Answers 500 to events called `Poison`; keeps the others."""

    def __init__(self) -> None:
        self.good: Counter[str] = Counter()
        self.tries: Counter[str] = Counter()

    async def take(self, request: web.Request) -> web.Response:
        """Answer one delivery."""
        event = json.loads(await request.read())
        if event["event"] == "Poison":
            self.tries[event["messageId"]] += 1
            return web.Response(status=500)
        self.good[event["messageId"]] += 1
        return web.Response()


async def _send(session: aiohttp.ClientSession, url: str, name: str, ids: list[str]) -> None:
    for start in range(0, len(ids), 500):
        batch = [{"type": "track", "userId": "u", "event": name, "messageId": one} for one in ids[start : start + 500]]
        async with session.post(f"{url}/v1/batch", json={"batch": batch}) as answer:
            assert answer.status == 200


async def test_poison_in_front_of_good_events(tmp_path: Path) -> None:
    """12,000 events that always get a 500 keep no good event waiting: those behind them arrive within the time of a
    few probes, those that come later at once; the poison dies within its age, and the books balance.
    """
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    server = Server(tmp_path, f'[destinations.hook]\ntype = "webhook"\nurl = "{url}"\nallow_private = true\n{RETRY}\n')
    await server.start()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
        await _send(session, server.url, "Poison", [f"poison-{number}" for number in range(POISON)])
        await _send(session, server.url, "Good", [f"good-{number}" for number in range(GOOD)])

        async def arrived() -> bool:
            return len(receiver.good) == GOOD

        await until(arrived, "the good events arrive", 60)
        for number in range(GOOD, GOOD + LATER):
            await _send(session, server.url, "Good", [f"good-{number}"])
            await until(lambda seen=number: _has(receiver, seen), "a later good event arrives at once", 5)

        async def settled() -> bool:
            await _send(session, server.url, "Tick", [f"tick-{len(receiver.good)}"])
            await asyncio.sleep(0.2)
            _, out, _ = await server.run("status", "--json")
            return f'"dead": {POISON}' in json.dumps(json.loads(out))

        await until(settled, "the poison is dead", 120)
    status, out, _ = await server.run("audit")
    assert status == 0, out
    assert await server.stop() == 0
    await runner.cleanup()
    assert max(receiver.good.values()) == 1
    assert len(receiver.tries) == POISON


async def _has(receiver: Receiver, number: int) -> bool:
    return receiver.good[f"good-{number}"] > 0
