"""The reference page's own curl, with host and key replaced, does what the page says."""

import asyncio
import json
import subprocess
from pathlib import Path

from receiver import receiving
from server import KEY, Server

BODY = """{
  "userId": "user_12345",
  "type": "track",
  "event": "Email Bounced",
  "timestamp": "2024-01-15T10:30:00.000Z",
  "properties": {
    "email_id": "msg_abc123",
    "email_subject": "Your weekly newsletter",
    "campaign_id": "camp_456",
    "campaign_name": "Weekly Newsletter Campaign",
    "additionalProperty": null
  },
  "context": {"traits": {"email": "user@example.com"}, "additionalProperty": "anything"},
  "integrations": {"All": false, "Mixpanel": true, "Segment": true}
}"""


def hook(name: str, url: str) -> str:
    """A webhook destination that events call `name`."""
    return f'[destinations.{name.lower()}]\ntype = "webhook"\nnames = ["{name}"]\nurl = "{url}"\nallow_private = true\n'


def curl(server: Server, *credentials: str) -> str:
    """Send the page's request; the answer's status and body."""
    command = ["curl", "-s", "-w", " %{http_code}", f"{server.url}/v1/track", "--request", "POST"]
    headers = ["--header", "X-Strict-Mode: 1", "--header", "Content-Type: application/json"]
    done = subprocess.run(
        [*command, *headers, *credentials, "--data", BODY], capture_output=True, check=True, text=True
    )
    return done.stdout


async def test_its_integrations_choose_the_destinations(tmp_path: Path) -> None:
    """Both forms of the key are 200 {}; Mixpanel and Segment get the events, Other and the file don't, and say so."""
    async with receiving() as mixpanel, receiving() as segment, receiving() as other:
        places = hook("Mixpanel", mixpanel.url) + hook("Segment", segment.url) + hook("Other", other.url)
        server = Server(tmp_path, places + '[destinations.events]\ntype = "file"\n')
        await server.start()
        assert await asyncio.to_thread(curl, server, "--user", f"{KEY}:") == "{} 200"
        assert await asyncio.to_thread(curl, server, "--header", f"Authorization: Basic {KEY}") == "{} 200"
        await mixpanel.count(2)
        await segment.count(2)
        status, out, err = await server.run("audit")
        assert status == 0, out + err
        told = {}
        for message_id in mixpanel.received:
            status, out, err = await server.run("show", message_id, "--json")
            assert status == 0, err
            told[message_id] = out
        assert mixpanel.received == segment.received
        assert not other.received
        for story in told.values():
            assert "integrations" in story
            assert json.loads(story)
        assert not (server.data / "us" / "events.ndjson").exists()
        assert await server.stop() == 0
