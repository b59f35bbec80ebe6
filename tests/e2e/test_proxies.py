"""The recipes of docs/proxies.md, run by real proxies in front of the real server."""

import asyncio
import json
import os
import re
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from server import KEY, Server, free_port, until

PAGE = (Path(__file__).parents[2] / "docs" / "proxies.md").read_text()
LYING = {
    "Host": "cdp.example.com",
    "Forwarded": "for=6.6.6.6;host=evil.example;proto=https",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
}
EVENT = {"userId": "u", "event": "Email Opened", "properties": {"email_id": "1"}}


def program(name):
    """Return the path of an installed proxy; CI installs them, elsewhere the test is skipped without."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None and not os.environ.get("CI"):
        pytest.skip(f"{name} is not installed; apt-get install {name} brings it")
    assert path is not None, f".ci/run installs {name}"
    return path


def recipe(language):
    """Return the page's recipe."""
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def nginx(folder, port, upstream):
    """Return the command that runs the page's server block, on a free port and without TLS."""
    block = re.sub(r"listen 443 ssl;", f"listen 127.0.0.1:{port};", recipe("nginx"))
    block = re.sub(r"\n *ssl_certificate[^\n]*", "", block).replace("127.0.0.1:8080", f"127.0.0.1:{upstream}")
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(f"pid {folder}/pid;\nevents {{}}\nhttp {{ access_log off; {paths}\n{block}}}\n")
    return [program("nginx"), "-c", str(config), "-e", f"{folder}/nginx.log", "-g", "daemon off;"]


def caddy(folder, port, upstream):
    """Return the command that runs the page's site, on a free port and without TLS."""
    site = recipe("caddyfile").replace("127.0.0.1:8080", f"127.0.0.1:{upstream}")
    site = re.sub(r"(cdp[a-z-]*\.example\.com)", rf"http://\1:{port}", site)
    config = folder / "Caddyfile"
    config.write_text(f"{{\n    admin off\n    auto_https off\n    default_bind 127.0.0.1\n}}\n{site}")
    return [program("caddy"), "run", "--config", str(config), "--adapter", "caddyfile"]


@asynccontextmanager
async def running(command, folder, port):
    """Run a proxy until it listens, and end it."""
    with (folder / "proxy.log").open("ab") as log:
        environ = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        child = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, env=environ)
    try:
        await until(lambda: listens(port), f"{command[0]} listens; see {folder}/proxy.log")
        yield
    finally:
        child.terminate()
        await child.wait()


async def listens(port):
    """Tell whether somebody listens."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.mark.full
@pytest.mark.parametrize("proxy", [nginx, caddy])
@pytest.mark.parametrize("family", ["x-forwarded", "forwarded"])
async def test_what_a_client_says_of_itself_counts_for_nothing(tmp_path, proxy, family):
    """Behind the proxy a client that sends forwarded headers of its own is seen at the host that it really called,
    over http as it really came, whichever headers are believed; its events are taken, and refused at another region's.
    """
    port = free_port()
    server = Server(tmp_path, "", 'hosts = ["cdp.example.com"]\n[regions.eu]\ndisk_floor = 0\nhosts = ["evil.example"]')
    told = f'[server]\ntrusted_proxies = ["127.0.0.1"]\nproxy_headers = "{family}"\n'
    server.config.write_text(server.config.read_text().replace("[server]\n", told))
    command = proxy(tmp_path, port, server.port)
    await server.start()
    async with running(command, tmp_path, port), aiohttp.ClientSession(headers=LYING) as session:
        async with session.get(f"http://127.0.0.1:{port}/v1/projects/{KEY}/settings") as answer:
            [place] = json.loads(await answer.text())["integrations"].values()
        assert place == {"apiKey": KEY, "apiHost": "cdp.example.com/v1", "protocol": "http"}
        headers = {"Authorization": f"Bearer {KEY}", "X-Strict-Mode": "1"}
        async with session.post(f"http://127.0.0.1:{port}/v1/track", json=EVENT, headers=headers) as answer:
            assert (answer.status, await answer.text()) == (200, "{}")
    await server.stop()
