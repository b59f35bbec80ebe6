"""What docs/operating.md says of a machine's size, measured, and what it says of a new admin token, done."""

import asyncio
import random
import re
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from server import KEY, Server, lines, until

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


def said(what: str) -> int:
    """Return the figure of a row of the page's table."""
    found = re.search(rf"^\| {re.escape(what)} \| (\d+) ", PAGE, re.MULTILINE)
    assert found is not None, what
    return int(found[1])


def event(random_: random.Random) -> dict[str, Any]:
    """Return an event as they are: nothing in it but the words of its form is that of another."""
    number, id_ = random_.randrange, uuid.UUID(int=random_.getrandbits(128))
    return {
        "type": "track",
        "userId": f"user_{number(10**6)}",
        "event": random_.choice(["Email Delivered", "Email Opened", "Email Link Clicked"]),
        "messageId": str(id_),
        "timestamp": f"2026-11-25T09:41:{number(60):02}.{number(1000):03}Z",
        "properties": {
            "email_id": f"{random_.getrandbits(128):032x}",
            "email_subject": f"Your order {number(10**7)} is on its way",
            "recipient": f"person{number(10**6)}@example{number(500)}.com",
            "campaign_id": number(200),
            "link_url": f"https://shop.example.com/p/{number(10**5)}?utm={number(1000)}",
        },
        "context": {
            "ip": f"203.0.113.{number(256)}",
            "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15",
            "traits": {"email": f"person{number(10**6)}@example.com"},
        },
    }


@pytest.mark.full
@pytest.mark.parametrize(
    ("row", "together", "calls"),
    [("the log, what comes in batches of 500", 500, 80), ("the log, what comes one call at a time", 1, 2_000)],
)
async def test_the_sizes(tmp_path: Path, row: str, together: int, calls: int) -> None:
    """Log and file take what the page says, within a quarter."""
    server = Server(tmp_path, '[destinations.a]\ntype = "file"\nfrom = "beginning"')
    random_, count = random.Random(7), together * calls
    await server.start()
    arrived = server.data / "us" / "a.ndjson"
    try:
        async with aiohttp.ClientSession() as session:
            for _ in range(calls):
                body = {"writeKey": KEY, "batch": [event(random_) for _ in range(together)]}
                async with session.post(f"{server.url}/v1/batch", json=body) as answer:
                    assert answer.status == 200

        async def delivered() -> bool:
            return len(lines(arrived)) == count

        await until(delivered, "all are in the file")
    finally:
        assert await server.stop() == 0
    log = sum(file.stat().st_size for file in (server.data / "us" / "log").glob("*.db")) / count
    assert said(row) * 0.75 < log < said(row) * 1.25
    written = arrived.stat().st_size / count
    assert said("the `file` destination") * 0.75 < written < said("the `file` destination") * 1.25
    assert (server.data / "us" / "ledger.db").stat().st_size / count < 64


@pytest.mark.full
async def test_a_new_admin_token(tmp_path: Path) -> None:
    """The token's file is removed and the server restarted: there is another token, and the old one opens nothing."""
    server = Server(tmp_path, "")
    file = server.data / "admin-token"

    async def asked(token: str) -> int:
        url, headers = f"http://127.0.0.1:{server.admin_port}/metrics", {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            return answer.status

    await server.start()
    old = file.read_text().strip()
    assert await asked(old) == 200
    file.unlink()
    assert await asked(old) == 200
    assert await server.stop() == 0
    await server.start()
    try:
        new = file.read_text().strip()
        assert new != old
        assert [await asked(new), await asked(old)] == [200, 401]
    finally:
        await asyncio.wait_for(server.stop(), 60)
