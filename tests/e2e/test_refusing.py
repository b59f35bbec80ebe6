"""A webhook whose address is gone, on the real server: an outage, and no death of every event."""

import json
from pathlib import Path

import aiohttp
import pytest
from server import KEY, Server, until

from postroad.delivery.breaker import REFUSALS
from postroad.testing.receiver import Receiver, answer

EVENTS = 60


async def _send(server: Server, first: int) -> None:
    items = [{"type": "track", "userId": "u", "event": "e", "messageId": f"m{first + n}"} for n in range(EVENTS)]
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session,
        session.post(f"{server.url}/v1/batch", json={"batch": items}) as told,
    ):
        assert told.status == 200


async def _hook(server: Server) -> dict[str, object]:
    """Return what status says of the destination."""
    _, out, _ = await server.run("status", "--json")
    (place,) = json.loads(out)["status"]["destinations"]
    return dict(place)


async def _metrics(server: Server) -> str:
    _, printed, _ = await server.run("keys", "metrics")
    token = printed.strip()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(f"{server.url}/metrics") as told,
    ):
        return await told.text()


@pytest.mark.parametrize("status", [301, 400, 404, 410])
async def test_an_address_that_is_gone(tmp_path: Path, status: int) -> None:
    """While a receiver refuses everything ten events die, `status` says why and counts who waits, the metric is 0 and
    the log has one line; when it is back, what waited arrives by itself.
    """
    async with Receiver() as receiver:
        receiver.behaviour = answer(status, b"nobody here", {"Location": "https://example.com/"})
        hook = f'[destinations.hook]\ntype = "webhook"\nurl = "{receiver.url}"\nallow_private = true\n'
        server = Server(tmp_path, hook + 'retry = {first = "500ms", max_interval = "1s"}\n')
        await server.start()
        await _send(server, 0)

        async def is_open() -> bool:
            return str((await _hook(server))["state"]).startswith("open: ")

        await until(is_open, "the destination is left alone")
        await _send(server, EVENTS)
        probed = len(receiver.requests)

        async def goes_on() -> bool:
            return len(receiver.requests) > probed + 3

        await until(goes_on, "it is probed")
        told = await _hook(server)
        assert f"requests in a row were refused: answered {status}" in str(told["state"])
        assert (told["dead"], told["waiting"] + told["retrying"]) == (REFUSALS, 2 * EVENTS - REFUSALS)
        assert 'postroad_delivery_running{destination="hook",region="us"} 0' in await _metrics(server)
        receiver.behaviour = answer(200)

        async def is_done() -> bool:
            return (await _hook(server))["outcomes"] == {"delivered": 2 * EVENTS - REFUSALS, "dead": REFUSALS}

        await until(is_done, "what waited has arrived")
        assert await server.stop() == 0
        log = (tmp_path / "serve.log").read_text()
        assert log.count("is left alone until it works again") == 1
        assert log.count("the destination works again") == 1
