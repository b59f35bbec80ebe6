"""A disk that is full: 503, nothing counted as seen, and healing without a restart."""

import resource
from pathlib import Path

import aiohttp
import pytest
from server import KEY, Server, lines, until

from postroad.storage.layout import region_files

BODY = {"userId": "u", "event": "Email Opened", "properties": {"email_id": "e"}}


async def post(server: Server, message_id: str, *, strict: bool, body: object = None) -> aiohttp.ClientResponse:
    """Send one event, or a body that is none; the answer with its own body read."""
    sent = {**BODY, "messageId": message_id} if body is None else body
    headers = {"Authorization": aiohttp.encode_basic_auth(KEY)} | ({"X-Strict-Mode": "1"} if strict else {})
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/v1/track", json=sent, headers=headers) as answer,
    ):
        await answer.read()
        return answer


@pytest.mark.full
async def test_a_full_disk_is_503_in_both_modes_and_heals_by_itself(tmp_path: Path) -> None:
    """An event refused while the disk was full is stored, once, when it comes again."""
    server = Server(tmp_path, '[destinations.file]\ntype = "file"\n')
    await server.start()
    assert (await post(server, "before", strict=True)).status == 200
    ingest = server.child("ingest")
    assert ingest is not None
    unlimited = resource.prlimit(ingest, resource.RLIMIT_FSIZE)
    resource.prlimit(ingest, resource.RLIMIT_FSIZE, (1, unlimited[1]))
    for strict in (True, False):
        answer = await post(server, "during", strict=strict)
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) >= 5
    assert server.child("ingest") == ingest, "the process must not die of it"
    resource.prlimit(ingest, resource.RLIMIT_FSIZE, unlimited)

    async def accepted() -> bool:
        return (await post(server, "during", strict=True)).status == 200

    await until(accepted, "the log heals")
    assert (await post(server, "during", strict=True)).status == 200
    assert server.child("ingest") == ingest

    async def delivered() -> bool:
        return len(lines(region_files(server.data, "us").folder / "file.ndjson")) == 2

    await until(delivered, "both events are delivered")
    status, out, err = await server.run("audit")
    assert status == 0, out + err
    assert await server.stop() == 0
    written = [line["postroad"]["messageId"] for line in lines(server.data / "us" / "file.ndjson")]
    assert written == ["before", "during"]
