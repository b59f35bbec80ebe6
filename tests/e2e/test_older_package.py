"""A destination of another package that is older than an email event goes on as before."""

import json
import os
from pathlib import Path

import aiohttp
import pytest
from server import KEY, Server, lines, until

PACKAGE = """\
import json
from typing import ClassVar

import msgspec
from postroad.contract.email import Kind
from postroad.destinations.base import BatchLimits, Delivered, Sent


class Older:
    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        path: str

    batch: ClassVar = BatchLimits(1, 1 << 20, 0)
    email_events: ClassVar = {Kind.OPENED: Sent("open", {}, "id"), Kind.BOUNCED: None}

    def __init__(self, settings, surroundings):
        self.path = settings.path

    def takes(self, event):
        return True

    async def send(self, events):
        with open(self.path, "a") as file:
            file.writelines(json.dumps({"name": event.name}) + "\\n" for event in events)
        return [Delivered()] * len(events)

    async def close(self):
        pass
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install it as `older`: where modules are looked for, with its entry point."""
    (tmp_path / "e2e_older.py").write_text(PACKAGE)
    metadata = tmp_path / "e2e_older-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: e2e-older\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[postroad.destinations]\nolder = e2e_older:Older\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)


@pytest.mark.full
@pytest.mark.usefixtures("package")
async def test_an_event_that_a_package_does_not_know_is_filtered(tmp_path: Path) -> None:
    """The server starts, what the package knows arrives, and the rest is filtered as unsupported and never sent."""
    got = tmp_path / "got.ndjson"
    server = Server(tmp_path, f'[destinations.d]\ntype = "older"\nfrom = "beginning"\npath = "{got}"')
    await server.start()
    try:
        await _send(server, "Email Delivered", "Email Bounced", "Email Open", "Order Placed", "Email Opened")
        await until(lambda: _has(got, 3), "what it knows arrived")
    finally:
        assert await server.stop() == 0
    assert {line["name"] for line in lines(got)} == {"Email Open", "Order Placed", "Email Opened"}
    status, told, _ = await server.run("audit", "--json")
    assert status == 0, told
    [account] = json.loads(told)["regions"][0]["accounts"]
    assert account["outcomes"] == {"delivered": 3, "filtered_unsupported": 2}


async def _send(server: Server, *names: str) -> None:
    calls = [{"type": "track", "userId": "u", "event": name, "properties": {"email_id": "m"}} for name in names]
    body = {"writeKey": KEY, "batch": calls}
    async with aiohttp.ClientSession() as session, session.post(f"{server.url}/v1/batch", json=body) as answer:
        assert answer.status == 200


async def _has(path: Path, count: int) -> bool:
    return len(lines(path)) == count
