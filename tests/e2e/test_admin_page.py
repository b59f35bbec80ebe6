"""What docs/reference/admin-api.md says, done."""

import json
import re
import subprocess
from pathlib import Path

import aiohttp
import pytest
from server import KEY, Server

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "admin-api.md").read_text()
CRM = '[destinations.crm]\ntype = "webhook"\nurl = "http://127.0.0.1:9/"\nallow_private = true\n'


@pytest.mark.full
async def test_the_page_works(tmp_path: Path) -> None:
    """Each command of the page, pasted, answers with JSON that is no error."""
    server = Server(tmp_path, CRM)
    (tmp_path / "postroad-data").symlink_to(server.data)
    await server.start()
    try:
        headers = {"Authorization": f"Bearer {KEY}"}
        event = {"userId": "u", "event": "Email Bounced", "properties": {"email_id": "e"}}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{server.url}/v1/track", json=event, headers=headers) as answer,
        ):
            assert answer.status == 200
        commands = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
        here = [command.replace("127.0.0.1:8081", f"127.0.0.1:{server.admin_port}") for command in commands]
        status, dead, replay = [json.loads(_shell(command, tmp_path)) for command in here]
        assert [place["id"] for place in status[0]["status"]["destinations"]] == ["crm"]
        assert dead == {"dead": [], "next": None}
        assert (replay["region"], replay["total"]) == ("us", 1)
    finally:
        await server.stop()


def _shell(command: str, folder: Path) -> str:
    done = subprocess.run(["bash", "-ec", command], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
