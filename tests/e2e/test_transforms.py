"""A running server changes, filters and hides as it is told, and a bad transform costs what it spoils and no more."""

import asyncio
import hashlib
import hmac
import json
import os
from pathlib import Path

import aiohttp
import pytest
from server import KEY, Server, lines, until

TRANSFORM = """\
import os

def shape(event):
    told = event["properties"].get("do")
    if told == "loop":
        while True:
            pass
    if told == "raise":
        raise LookupError("no such key")
    if told == "leave":
        os._exit(1)
    event["properties"]["pid"] = os.getpid()
    return None if told == "drop" else event
"""

DESTINATIONS = """\
[destinations.shaped]
type = "file"
from = "beginning"
transform = "e2e_transform:shape"
pii = {email = "hash", ip = "drop"}

[destinations.plain]
type = "file"
from = "beginning"
"""

TOLD = ["pass", "loop", "raise", "drop", "leave", "pass"]


async def send(server: Server, number: int, do: str) -> None:
    """Send one event."""
    body = {
        "userId": "Ada@example.com",
        "event": "Told",
        "messageId": f"told-{number}",
        "properties": {"do": do, "exact": 12345678901234567890123},
        "context": {"ip": "192.0.2.7", "traits": {"email": "ada@example.com"}},
    }
    headers = {"Authorization": aiohttp.encode_basic_auth(KEY, "")}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.url}/v1/track", json=body) as answer,
    ):
        assert answer.status == 200


@pytest.mark.full
async def test_transforms_and_privacy_in_a_running_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The good events arrive shaped, the bad ones are dead letters with their reasons, the books balance, and neither
    the other destination nor the end of the server is in any way concerned.
    """
    (tmp_path / "e2e_transform.py").write_text(TRANSFORM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    server = Server(tmp_path, DESTINATIONS)
    await server.start()
    try:
        letters = await _told(server)
    finally:
        ended = await server.stop()
    assert ended == 0
    key = bytes.fromhex((server.data / "pii-key").read_text())
    hashed = hmac.new(key, b"ada@example.com", hashlib.sha256).hexdigest()
    pids = set()
    for line in lines(server.data / "us" / "shaped.ndjson"):
        event = line["event"]
        assert isinstance(event, dict)
        assert (event["userId"], event["context"]) == (hashed, {"traits": {"email": hashed}})
        assert event["properties"]["exact"] == 12345678901234567890123
        pids.add(event["properties"]["pid"])
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    whys = sorted(letter["why"].partition("\n")[0] for letter in letters)
    assert whys == [
        "the transform did not end within 1 s of processor time",
        "the transform ended its own process with status 1",
        "the transform raised LookupError: no such key",
    ]


async def _told(server: Server) -> list[dict[str, str]]:
    """Send the events, wait until all are settled, and return the dead letters."""
    await asyncio.gather(*(send(server, number, do) for number, do in enumerate(TOLD)))

    async def settled() -> bool:
        _, out, _ = await server.run("dead", "list", "--json")
        return len(out.splitlines()) == 3 and len(lines(server.data / "us" / "shaped.ndjson")) == 2

    await until(settled, "two events are delivered and three are dead letters")
    await until(lambda: _written(server.data / "us" / "plain.ndjson", len(TOLD)), "the other destination has all")
    _, out, _ = await server.run("dead", "list", "--json")
    letters = [json.loads(line) for line in out.splitlines()]
    status, balance, _ = await server.run("audit")
    assert status == 0, balance
    return letters


async def _written(path: Path, count: int) -> bool:
    return len(lines(path)) == count


async def test_a_transform_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    """`serve` says where the missing function was named, and ends with the status of a wrong configuration."""
    server = Server(tmp_path, DESTINATIONS)
    status, out, err = await server.run("serve")
    assert status == 2
    assert "destinations.shaped.transform: 'e2e_transform:shape' can't be imported: there is no module" in err
    assert out == ""
    assert not (server.data / "us").exists()
