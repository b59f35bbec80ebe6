"""The real server, started with another configuration: what a destination is owed stays owed, and everybody says so."""

import asyncio
import json
import os
import sys

import aiohttp
import pytest
from server import KEY, Server, lines, until

from postroad.testing.receiver import Receiver, answer

HELD = "held: not in the configuration"


class Restarted(Server):
    """A server whose configuration is edited between its runs."""

    def edit(self, destinations: str) -> None:
        """Put these destinations in place of those that are there."""
        head = self.config.read_text().partition("[destinations.")[0]
        self.config.write_text(f"{head}{destinations}\n")

    async def restart(self, destinations: str) -> None:
        """Stop, and start with these destinations."""
        assert await self.stop() == 0
        self.edit(destinations)
        await self.start()

    async def send(self, *ids: str) -> None:
        """Send an event for each message id."""
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
            for name in ids:
                call = {"userId": "u", "event": "Held", "messageId": name}
                async with session.post(f"{self.url}/v1/track", json=call) as answer:
                    assert answer.status == 200

    async def served(self) -> list[dict[str, object]]:
        """Return what the admin address says of each destination that is configured."""
        headers = {"Authorization": f"Bearer {(self.data / 'admin-token').read_text().strip()}"}
        url = f"http://127.0.0.1:{self.admin_port}/api/status"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
            (region,) = await answer.json()
        return [place for place in region["status"]["destinations"] if place["state"] != HELD]

    async def places(self) -> dict[str, dict[str, object]]:
        """Return what `status` says of each destination."""
        status, out, err = await self.run("status", "--json")
        assert (status, err) == (0, "")
        return {place["id"]: place for place in json.loads(out)["status"]["destinations"]}

    async def books(self) -> dict[str, list[dict[str, object]]]:
        """Return the books of each destination, which balance."""
        status, out, _ = await self.run("audit", "--json")
        told = json.loads(out)
        assert (status, told["balanced"]) == (0, True), told
        found: dict[str, list[dict[str, object]]] = {}
        for account in told["regions"][0]["accounts"]:
            found.setdefault(account["destination"], []).append(account)
        return found

    async def check(self) -> str:
        """Return what `check` says of what is held."""
        status, _, err = await self.run("check")
        assert status == 0
        return err

    def logged(self) -> str:
        """Return what the server has logged so far."""
        return (self.folder / "serve.log").read_text()


def crm(url: str, name: str = "crm", more: str = "") -> str:
    """Return the table of a webhook, beside one that always works."""
    table = f'[destinations.{name}]\ntype = "webhook"\nurl = "{url}"\nallow_private = true\n'
    return f'[destinations.file]\ntype = "file"\n{table}retry = {{first = "1s", max_interval = "1s"}}\n{more}\n'


pytestmark = pytest.mark.timeout(300)  # each starts the program a dozen times


@pytest.fixture
async def receiver():
    """A CRM that is down until it is told to work."""
    async with Receiver() as receiver:
        receiver.behaviour = answer(503, b"down")
        yield receiver


@pytest.fixture
async def server(tmp_path, receiver):
    """A server with three events owed to `crm`."""
    server = Restarted(tmp_path, crm(receiver.url))
    await server.start()
    await server.send("a", "b", "c")
    yield server
    assert await server.stop() == 0


def received(receiver) -> set[str]:
    """Return the message ids of the events that the CRM has taken."""
    return {json.loads(request.body)["messageId"] for request in receiver.requests}


async def gets_all(server, receiver, *ids) -> None:
    """Wait until the CRM has got exactly these events, and nothing waits for it any more."""
    receiver.requests.clear()
    receiver.behaviour = answer(200, b"")

    async def done() -> bool:
        try:
            served = await server.served()
        except aiohttp.ClientError:
            return False  # the admin address comes up after ingest
        return all(place["waiting"] == place["retrying"] == 0 for place in served)

    await until(done, f"{ids} are delivered")
    assert received(receiver) == set(ids)


async def test_a_renamed_table(server, receiver):
    """Renamed without a word, the old id is held, and everybody says so; with `was` all of it is delivered, once."""
    await server.restart(crm(receiver.url, "hubspot"))
    await server.send("d")
    places = await server.places()
    assert (places["crm"]["state"], places["crm"]["waiting"] + places["crm"]["retrying"]) == (HELD, 4)
    assert places["crm"]["log_bytes"] > 0
    (account,) = (await server.books())["crm"]
    assert (account["open"], account["owed"], "abandoned" in account["outcomes"]) == (True, 4, False)
    assert "'crm' of region 'us' is held" in await server.check()
    assert server.logged().count("'crm' of region 'us' is held") == 1
    status, _, err = await server.run("replay", "--destination", "crm")
    assert (status, "'crm' is held" in err) == (2, True)
    assert "'hubspot' is in the configuration" in (await server.run("destinations", "abandon", "hubspot"))[2]
    await server.restart(crm(receiver.url, "hubspot", 'was = "crm"'))
    await gets_all(server, receiver, "a", "b", "c", "d")
    assert len(receiver.requests) == 4  # what `crm` was owed ends where `hubspot` begins
    assert [account["sum"] for account in (await server.books())["hubspot"]] == [3, 1]
    await server.restart(crm(receiver.url, "hubspot"))
    assert "held" not in (await server.check())
    assert (await server.places()).keys() == {"file", "hubspot"}


async def test_renamed_at_once(server, receiver):
    """Renamed with `was`, the new id goes on with what the old one was owed, and nothing is sent twice."""
    await server.restart(crm(receiver.url, "hubspot", 'was = "crm"'))
    await server.send("d")
    await gets_all(server, receiver, "a", "b", "c", "d")
    assert len(receiver.requests) == 4
    (account,) = (await server.books())["hubspot"]
    assert (account["owed"], account["outcomes"]) == (4, {"delivered": 4})


async def test_abandoned(server, receiver):
    """What is held goes only by name and after a yes; nobody else is held up, and it is owed nothing more."""
    await server.restart('[destinations.file]\ntype = "file"')
    status, _, err = await server.run("destinations", "abandon", "crm")
    assert (status, "--yes" in err) == (2, True)
    status, out, err = await server.run("destinations", "list", "--json")
    held = {entry["id"]: entry for entry in map(json.loads, out.splitlines())}
    assert (status, err, held["crm"]["state"], held["file"]["state"]) == (0, "", HELD, "served")
    assert (await server.run("destinations", "abandon", "crm", "--yes"))[::2] == (0, "")
    await server.send("d")

    async def is_written_off() -> bool:
        (account,) = (await server.books())["crm"]
        return (account["owed"], account["outcomes"].get("abandoned")) == (3, 3)

    await until(is_written_off, "it is written off")
    assert (await server.places()).keys() == {"file"}
    await server.restart(crm(receiver.url))
    await server.send("e")
    await gets_all(server, receiver, "e")
    assert [account["owed"] for account in (await server.books())["crm"]] == [3, 1]


async def test_a_forgotten_flag(server, receiver, tmp_path):
    """Started without `--config` where no file is, on the same data: all is held, and goes on with the file."""
    assert await server.stop() == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environ = os.environ | {
        "POSTROAD__SERVER__BIND": f"127.0.0.1:{server.port}",
        "POSTROAD__SERVER__ADMIN_BIND": f"127.0.0.1:{server.admin_port}",
        "POSTROAD__SERVER__DATA_DIR": str(server.data),
    }
    environ.pop("POSTROAD_CONFIG", None)
    with (server.folder / "serve.log").open("ab") as log:
        server.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "postroad", "serve"), cwd=elsewhere, env=environ, stdout=log, stderr=log
        )
    await until(server.is_ready, "it is ready")
    for name in ("crm", "file"):
        assert f"'{name}' of region 'us' is held" in server.logged()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "postroad", "status", "--json"),
        cwd=elsewhere,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await child.communicate()
    states = {place["id"]: place["state"] for place in json.loads(out)["status"]["destinations"]}
    assert (states["crm"], states["file"], states["events"] == HELD) == (HELD, HELD, False)
    (account,) = (await server.books())["crm"]
    assert (account["owed"], "abandoned" in account["outcomes"]) == (3, False)
    assert await server.stop() == 0
    await server.start()
    await server.send("d")
    await gets_all(server, receiver, "a", "b", "c", "d")
    ids = [row["postroad"]["messageId"] for row in lines(server.data / "us" / "file.ndjson")]
    assert sorted(ids) == ["a", "b", "c", "d"]
    assert "'events' of region 'us' is held" in await server.check()  # the one that a start without a file has


async def test_a_region_that_is_gone(server):
    """A region that is gone from the configuration keeps its folder; `check` and `serve` say what is owed there."""

    async def is_written() -> bool:
        file = server.data / "us" / "file.ndjson"
        return file.exists() and len(lines(file)) == 3

    await until(is_written, "the file has all three")
    assert await server.stop() == 0
    text = server.config.read_text().replace("[regions.us]", "[regions.eu]")
    server.config.write_text(text)
    await server.start()
    said = "'crm' of region 'us' is held: its region is not in the configuration"
    assert said in await server.check()
    assert said in server.logged()
    assert "'file' of region 'us'" not in server.logged()
