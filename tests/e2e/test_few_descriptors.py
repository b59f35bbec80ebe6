"""A real server that may open few descriptors, and somebody who opens more connections than that and sends nothing."""

import asyncio
import socket
import sys

import aiohttp
from server import KEY, Server

LIMIT, SOFT = 256, 100
EVENT = {"userId": "u", "event": "Email Opened", "properties": {"email_id": "1"}}
HEADERS = {"Authorization": f"Bearer {KEY}", "X-Strict-Mode": "1"}


class Poor(Server):
    """A server with `ulimit -n 256`, of which it has a hundred until it asks for the rest."""

    async def launch(self):
        """Start it."""
        command = f"{sys.executable} -m postroad serve --config {self.config}"
        serve = f"ulimit -S -n {SOFT} && ulimit -H -n {LIMIT} && exec {command}"
        with (self.folder / "serve.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec("/bin/sh", "-c", serve, stdout=log, stderr=log)


async def test_ingest_stays_open(tmp_path):
    """With more idle connections than it may have descriptors, on either address, every event is stored at once, and
    the store is never without one.
    """
    server = Poor(tmp_path, "")
    await server.start()
    try:
        await call_beside_idle_connections(server)
    finally:
        assert await server.stop() == 0
    assert "Too many open files" not in (tmp_path / "serve.log").read_text()


async def call_beside_idle_connections(server):
    """Open them, make calls, and look at the metrics."""
    idle = [
        socket.create_connection(("127.0.0.1", port))
        for _ in range(2 * LIMIT)
        for port in (server.port, server.admin_port)
    ]
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        for _ in range(20):
            async with session.post(f"{server.url}/v1/track", json=EVENT) as answer:
                assert answer.status == 200
    assert await server.is_ready()
    _, printed, _ = await server.run("keys", "metrics")
    token = {"Authorization": f"Bearer {printed.strip()}"}
    async with aiohttp.ClientSession(headers=token) as session, session.get(f"{server.url}/metrics") as answer:
        page = await answer.text()
    assert 'postroad_ingest_wire_made_room_total{reason="peer"}' in page
    assert 'reason="descriptors"' not in page
    for each in idle:
        each.close()
