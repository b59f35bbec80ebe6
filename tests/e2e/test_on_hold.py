"""An operator holds a destination of the real server, mends it, tries it and releases it."""

import json
from pathlib import Path
from typing import Any

import aiohttp
from server import KEY, Server, until

from postroad.testing.receiver import Receiver, answer

EVENTS = 20


async def _send(server: Server, first: int) -> None:
    items = [{"type": "track", "userId": "u", "event": "e", "messageId": f"m{first + n}"} for n in range(EVENTS)]
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session,
        session.post(f"{server.url}/v1/batch", json={"batch": items}) as told,
    ):
        assert told.status == 200


async def _run(server: Server, *arguments: str) -> str:
    status, out, err = await server.run(*arguments)
    assert (status, err) == (0, ""), (arguments, err)
    return out


async def _hook(server: Server) -> dict[str, Any]:
    """Return what status says of the destination."""
    (place,) = json.loads(await _run(server, "status", "--json"))["status"]["destinations"]
    return dict(place)


async def test_hold_mend_try_release(tmp_path: Path) -> None:
    """What is held waits over a restart and everybody says so; a try sends one event and shows whether it works; after
    the release everything arrives, and the books balance.
    """
    async with Receiver() as receiver:
        receiver.behaviour = answer(503)
        hook = f'[destinations.hook]\ntype = "webhook"\nurl = "{receiver.url}"\nallow_private = true\n'
        server = Server(tmp_path, hook)
        await server.start()
        assert "is held" in await _run(server, "hold", "hook", "--by", "ada", "--why", "it moves")
        await _send(server, 0)
        assert await server.stop() == 0
        await server.start()
        await _send(server, EVENTS)
        told = await _hook(server)
        assert (told["waiting"], told["retrying"], len(receiver.requests)) == (2 * EVENTS, 0, 0)
        assert str(told["state"]).endswith(" by ada: it moves")
        for words in (("destinations", "list"), ("audit",), ("status",)):
            assert "held: on purpose since" in await _run(server, *words)
        assert "is held: on purpose since" in (tmp_path / "serve.log").read_text()

        await _run(server, "try", "hook")

        async def has_failed() -> bool:
            return str((await _hook(server))["state"]).endswith(
                "; the last try failed: answered 503 Service Unavailable"
            )

        await until(has_failed, "the try has failed")
        receiver.behaviour = answer(200)
        await _run(server, "try", "hook")

        async def is_delivered() -> bool:
            return bool((await _hook(server))["outcomes"].get("delivered") == 1)

        await until(is_delivered, "one event was delivered")
        assert len(receiver.requests) == 2
        await _run(server, "release", "hook", "--json")

        async def is_done() -> bool:
            return bool((await _hook(server))["outcomes"] == {"delivered": 2 * EVENTS})

        await until(is_done, "what waited has arrived")
        assert "held" not in await _run(server, "audit")
        assert await server.stop() == 0


async def test_check_says_what_disabled_means(tmp_path: Path) -> None:
    """`check` says that a destination which is not enabled loses what waits, and how much that is."""
    hook = '[destinations.hook]\ntype = "webhook"\nurl = "https://example.com/"\n'
    server = Server(tmp_path, hook)
    await server.start()
    await _run(server, "hold", "hook")
    await _send(server, 0)
    assert await server.stop() == 0
    server.config.write_text(server.config.read_text() + "enabled = false\n")
    status, _, err = await server.run("check")
    assert status == 0
    assert "destinations.hook.enabled: is false: what comes is filtered" in err
    assert f"what waits ({EVENTS} events now)" in err
