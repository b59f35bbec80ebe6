"""Clients that don't run here, or not everywhere (Go, iOS, Android, Java): their requests, and what becomes of them.

A request stands in `tests/golden/clients/*.http` as text: the head as the client sends it, and the body before
its `Content-Encoding`. The file beside it says what was answered, and what the archive got.
"""

import asyncio
import gzip
import json
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from modes import Postroad
from wire import Reply, in_chunks, read_reply

import golden_files

FOLDER = Path(__file__).parents[1] / "golden" / "clients"
CHUNK = 100
pytestmark = pytest.mark.asyncio(loop_scope="session")


def wire_bytes(text: str) -> bytes:
    """Return a golden request as it goes over the wire: compressed and in chunks where its head says so."""
    head, _, body = text.partition("\n\n")
    payload = body.removesuffix("\n").encode()
    if "Content-Encoding: gzip" in head:
        payload = gzip.compress(payload, mtime=0)
    if "Transfer-Encoding: chunked" in head:
        payload = in_chunks(payload, CHUNK)
    elif payload:
        head += f"\nContent-Length: {len(payload)}"
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + payload


async def exchange(port: int, request: bytes) -> Reply:
    """Send bytes to the server and return its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await asyncio.wait_for(read_reply(reader), 20)
    finally:
        writer.close()


def timeless(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without what differs at every run: what we assigned."""
    received = event.pop("receivedAt")
    if event["timestamp"] == received:
        event["timestamp"] = "(time of receipt)"
    if event["messageId"].startswith("postroad-"):
        event["messageId"] = "(assigned)"
    return event


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.http")))
async def test_a_golden_request_is_understood(name: str, strict: Postroad) -> None:
    """What the client sends passes even strict mode without a violation, and arrives as written down."""
    before = len(await strict.archive())
    reply = await exchange(strict.port, wire_bytes((FOLDER / f"{name}.http").read_text()))
    assert "x-postroad-violations" not in reply.headers
    stored = sorted(map(timeless, (await strict.archive())[before:]), key=itemgetter("messageId"))
    found = {"status": reply.status, "answer": json.loads(reply.body), "stored": stored}
    golden_files.check(FOLDER / f"{name}.json", json.dumps(found, indent=2, ensure_ascii=False) + "\n")
