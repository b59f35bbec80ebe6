"""`postroad backup` beside a busy server: another one starts from the copy, and its books balance."""

import asyncio
import json

import aiohttp
import pytest
from server import KEY, Server, until

from postroad.cli.client import call_headers

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_restore(server, verbs, tmp_path):
    """A server that starts from a backup taken under load has every event that was acknowledged before it."""
    acknowledged = []
    stop = asyncio.Event()

    async def client(place):
        async with aiohttp.ClientSession(headers=call_headers(KEY, strict=True)) as session:
            count = 0
            while not stop.is_set():
                name = f"restore-{place}-{count}"
                count += 1
                call = {"userId": "u", "event": "Restored", "messageId": name}
                async with session.post(f"{server.server.url}/v1/track", json=call) as answer:
                    assert answer.status == 200
                acknowledged.append(name)

    clients = [asyncio.create_task(client(place)) for place in range(8)]

    async def warm():
        return len(acknowledged) > 200

    await until(warm, "the server is busy")
    before = list(acknowledged)
    restored = Server(tmp_path, '[destinations.file]\ntype = "file"\n')
    (told,) = await server.rows("backup", str(restored.data))
    assert told["files"] > 4
    assert len(acknowledged) > len(before), "nothing came during the backup"
    stop.set()
    await asyncio.gather(*clients)
    await restored.start()
    try:
        copy = verbs(restored.config)
        status, out, _ = await copy.run("export", "--event", "Restored")
        assert status == 0
        assert {json.loads(line)["postroad"]["messageId"] for line in out.splitlines()} >= set(before)
        await copy.send("restored-and-new")

        async def settled():
            (region,) = await copy.rows("status")
            return region["status"]["destinations"][0]["waiting"] == 0

        await until(settled, "everything is delivered")
        (audit,) = await copy.rows("audit")
        assert audit["balanced"]
        owners = {(a["destination"], a["open"]) for a in audit["regions"][0]["accounts"] if a["replay"] is None}
        assert owners == {("file", True), ("hook", True)}
        if await copy.rows("dead", "list", "--limit", "100000"):  # of one that is not configured here, and so held
            status, out, _ = await copy.run("dead", "resend", "--all")
            assert (status, out.splitlines()[0]) == (0, "resent 0 dead letters")
            (told,) = await copy.rows("dead", "drop", "--all", "--yes")
            assert told["dropped"] == told["asked"] > 0
    finally:
        assert await restored.stop() == 0
