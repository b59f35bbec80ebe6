"""Two regions in one server over HTTPS: keys made by the command line, each region with its own files."""

import asyncio
import json
import shutil
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest
from server import Server, lines, until

CERTIFICATE = Path(__file__).parent.parent / "destinations" / "untrusted.pem"
EVENT = {"userId": "u", "event": "Email Opened", "properties": {"email_id": "1"}}


async def new_key(region: str) -> dict[str, str]:
    """Make a key as an operator does."""
    words = ("-m", "postroad", "keys", "new", "--region", region, "--json")
    child = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    return json.loads((await child.communicate())[0])


@pytest.mark.full
async def test_two_regions_over_https(tmp_path):
    """An event goes to the region of its key and to no file of the other; at the other's host it is a 401."""
    shutil.copy(CERTIFICATE, tmp_path / "tls.pem")
    keys = {region: await new_key(region) for region in ("us", "eu")}
    assert keys["eu"]["key"].startswith("sk_eu_")
    server = Server(tmp_path, "")
    server.url = server.url.replace("http:", "https:")
    tables = "".join(
        f'[regions.{region}]\ndisk_floor = 0\nhosts = ["cdp-{region}.test"]\n'
        f'[sources.app-{region}]\nregion = "{region}"\n{made["toml"]}\n'
        f'[destinations.file-{region}]\ntype = "file"\nregion = "{region}"\n'
        for region, made in keys.items()
    )
    server.config.write_text(
        f'[server]\nbind = "127.0.0.1:{server.port}"\nadmin_bind = "127.0.0.1:{server.admin_port}"\n'
        f'data_dir = "{server.data}"\ntls = {{ cert = "{tmp_path}/tls.pem", key = "{tmp_path}/tls.pem" }}\n{tables}'
    )
    context = ssl.create_default_context(cafile=str(CERTIFICATE))
    context.check_hostname = False
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        server.is_ready = lambda: ready(session, server.url)
        await server.start()
        for region in keys:
            assert await send(session, server.url, keys[region]["key"], f"cdp-{region}.test") == 200
        assert await send(session, server.url, keys["us"]["key"], "cdp-eu.test") == 401
    for region in keys:
        events = server.data / region / f"file-{region}.ndjson"
        await until(lambda events=events: arrived(events), f"{events} has its event")
        assert [line["postroad"]["region"] for line in lines(events)] == [region]
    assert (await server.run("audit"))[0] == 0
    await server.stop()


async def ready(session: aiohttp.ClientSession, url: str) -> bool:
    """Tell whether the server accepts and delivers."""
    try:
        async with session.get(f"{url}/readyz") as answer:
            told = await answer.json()
    except (aiohttp.ClientError, OSError):
        return False
    return bool(told["accepting"] and told["delivering"])


async def send(session: aiohttp.ClientSession, url: str, key: str, host: str) -> int:
    """Send an event in strict mode to a host name; return the status."""
    headers = {"Authorization": f"Bearer {key}", "X-Strict-Mode": "1", "Host": host}
    async with session.post(f"{url}/v1/track", json=EVENT, headers=headers) as answer:
        return answer.status


async def arrived(events: Path) -> bool:
    """Tell whether an event is in the file."""
    return len(lines(events)) == 1
