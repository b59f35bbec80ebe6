"""One region's damaged files are its own trouble: the other region accepts and delivers, and it heals."""

import os
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from server import KEY, Server, lines, until

from postroad.storage.files import Lock
from postroad.storage.layout import region_files

pytestmark = pytest.mark.full

EU_KEY = "key-of-the-eu"
EVENT = {"userId": "u", "event": "Email Opened", "properties": {"email_id": "e"}}
Damage = Callable[[Path], object]


def garbage(path: Path) -> None:
    """Leave the size and nothing else."""
    path.write_bytes(os.urandom(path.stat().st_size))


def not_ours(path: Path) -> None:
    """A file that is no database."""
    path.write_text("this is no database")


def cut(path: Path) -> None:
    """Leave half of the first page."""
    os.truncate(path, 2048)


def inside(path: Path) -> None:
    """Leave nothing but the first page, so that it opens as ever."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


async def post(server: Server, key: str, message_id: str, event: object = None) -> int:
    """Send an event, or what is none; returns the status."""
    body = {**EVENT, "messageId": message_id} if event is None else event
    headers = {"Authorization": aiohttp.encode_basic_auth(key)}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/v1/track", json=body, headers=headers) as answer,
    ):
        await answer.read()
        return answer.status


async def arrived(server: Server, region: str, message_id: str) -> bool:
    """Tell whether an event is in the region's file."""
    file = region_files(server.data, region).folder / f"file-{region}.ndjson"
    return any(line["postroad"]["messageId"] == message_id for line in lines(file))  # type: ignore[index]


@pytest.fixture
async def server(tmp_path: Path):
    """Two regions, each with an event that was accepted and delivered; stopped."""
    server = Server(
        tmp_path,
        f'[sources.eu]\nregion = "eu"\nwrite_key = "{EU_KEY}"\n'
        '[destinations.file-us]\ntype = "file"\n[destinations.file-eu]\ntype = "file"\nregion = "eu"\n',
        "[regions.eu]\ndisk_floor = 0\n",
    )
    await server.start()
    for region, key in (("us", KEY), ("eu", EU_KEY)):
        assert await post(server, key, "before") == 200
        assert await post(server, key, "", []) == 200, "no event, but in permissive mode a rejection"
        await until(lambda region=region: arrived(server, region, "before"), "the first event is delivered")
    assert await server.stop() == 0
    yield server
    if server.process is not None and server.process.returncode is None:
        await server.stop()


async def healed(server: Server, region: str) -> bool:
    """Tell whether a region accepts and delivers again."""
    told = {entry["region"]: entry for entry in (await server.readiness()).get("regions", [])}
    return bool(told and told[region]["accepting"] and told[region]["delivering"])


@pytest.mark.parametrize("damaged", ["us", "eu"])
@pytest.mark.parametrize("damage", [garbage, not_ours, cut, inside])
async def test_a_damaged_ledger(server: Server, damaged: str, damage: Damage) -> None:
    """The region accepts and says that it does not deliver, the other delivers, and nobody is started again."""
    other = {"us": "eu", "eu": "us"}[damaged]
    keys = {"us": KEY, "eu": EU_KEY}
    file = region_files(server.data, damaged).ledger
    good = file.read_bytes()
    damage(file)
    await server.launch()
    await until(lambda: healed(server, other), "the other region accepts and delivers")
    children = sorted(server.children())
    assert await post(server, keys[other], "meanwhile") == 200
    await until(lambda: arrived(server, other, "meanwhile"), "the other region delivers")
    assert await post(server, keys[damaged], "meanwhile") == 200, "what is accepted is safe in the log"
    told = {entry["region"]: entry for entry in (await server.readiness())["regions"]}
    assert told[damaged] == {"region": damaged, "accepting": True, "delivering": False}
    status, out, err = await server.run("status")
    assert status == 1, err
    assert str(file) in out
    said = (server.folder / "serve.log").read_text()
    assert said.count("a store can't be used") == 1, said
    file.with_name("good").write_bytes(good)
    file.with_name("good").replace(file)
    await until(lambda: arrived(server, damaged, "meanwhile"), "what was accepted meanwhile is delivered")
    await until(lambda: healed(server, damaged), "it says so")
    assert sorted(server.children()) == children
    status, out, err = await server.run("audit")
    assert status == 0, out + err


@pytest.mark.parametrize("damage", [garbage, not_ours])
async def test_damaged_rejections(server: Server, damage: Damage) -> None:
    """Only what would be a rejection is refused, and only in this region."""
    file = region_files(server.data, "us").rejections
    good = file.read_bytes()
    damage(file)
    await server.start()
    assert await post(server, KEY, "meanwhile") == 200
    assert await post(server, KEY, "", []) == 503
    assert await post(server, EU_KEY, "", []) == 200
    await until(lambda: arrived(server, "us", "meanwhile"), "its events are delivered")
    status, out, err = await server.run("status")
    assert status == 0, err
    assert str(file) in out
    file.with_name("good").write_bytes(good)
    file.with_name("good").replace(file)

    async def taken() -> bool:
        return await post(server, KEY, "", []) == 200

    await until(taken, "rejections are kept again")


async def test_a_log_that_is_in_the_way(server: Server) -> None:
    """A region whose log can't be opened refuses its events, and the other takes and delivers its own, the key in
    the header or in the body; it heals when the log is put back.
    """
    files = region_files(server.data, "us")
    files.log.rename(files.folder / "kept")
    files.log.write_text("not a folder")
    await server.launch()

    async def taken() -> bool:
        return bool(await server.readiness()) and await post(server, EU_KEY, "meanwhile") == 200

    await until(taken, "the other region accepts")
    assert await post(server, KEY, "meanwhile") == 503
    assert await post(server, "", "", {**EVENT, "messageId": "by-body", "writeKey": EU_KEY}) == 200
    await until(lambda: arrived(server, "eu", "by-body"), "the other region delivers")
    told = {entry["region"]: entry["accepting"] for entry in (await server.readiness())["regions"]}
    assert told == {"us": False, "eu": True}
    status, out, err = await server.run("status")
    assert status == 1, err
    assert str(files.log) in out
    files.log.unlink()
    (files.folder / "kept").rename(files.log)
    await until(lambda: healed(server, "us"), "it accepts again")
    assert await post(server, KEY, "meanwhile") == 200
    await until(lambda: arrived(server, "us", "meanwhile"), "and delivers")


async def test_another_server_that_writes_a_region(server: Server) -> None:
    """A ledger that another process writes still ends the process with its sentence."""
    lock = Lock(region_files(server.data, "eu").ledger_lock)
    await server.launch()
    assert server.process is not None
    assert await server.process.wait() == 3
    assert "another Postroad process is writing here" in (server.folder / "serve.log").read_text()
    lock.release()
