"""Other sources and destinations while the real server runs, under load: by SIGHUP, by the command and by mistake."""

import asyncio
import contextlib
import json
import signal
from collections import Counter
from pathlib import Path

import aiohttp
from server import KEY, Server, lines, until

NEW = "the-new-write-key"
FILE = '[destinations.{}]\ntype = "file"\n'


def change(server: Server, before: str, after: str) -> None:
    """Edit the configuration's file."""
    text = server.config.read_text()
    assert before in text
    server.config.write_text(text.replace(before, after))


class Load:
    """A client that sends without a pause, on connections that stay open, with the key that it has now."""

    def __init__(self, server: Server) -> None:
        self.server, self.key = server, KEY
        self.answers: Counter[int] = Counter()
        self.sent = 0

    async def run(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                self.sent += 1
                call = {"userId": "u", "event": "e", "messageId": f"m{self.sent}"}
                headers = {"Authorization": f"Bearer {self.key}", "X-Strict-Mode": "1"}
                async with session.post(f"{self.server.url}/v1/track", json=call, headers=headers) as answer:
                    self.answers[answer.status] += 1

    async def more(self) -> None:
        """Wait until some more were answered."""
        wanted = self.answers.total() + 20

        async def are_there() -> bool:
            return self.answers.total() >= wanted

        await until(are_there, "calls are answered")


async def reload(server: Server) -> str:
    """Run the command; what it says."""
    status, out, err = await server.run("reload")
    assert (status, err) == (0, ""), err
    return out


async def test_keys_and_destinations_change_under_load(tmp_path: Path) -> None:
    """A key is rotated and a destination comes and goes while clients send: nobody is refused, each destination has
    what was accepted while it was configured, and the books balance.
    """
    server = Server(tmp_path, FILE.format("one"))
    await server.start()
    load = Load(server)
    clients = [asyncio.create_task(load.run()) for _ in range(4)]
    await load.more()
    before = server.children()

    change(server, f'write_key = "{KEY}"', f'write_key = ["{NEW}", "{KEY}"]')
    server.config.write_text(server.config.read_text() + FILE.format("two"))
    assert await reload(server) == "added destinations.two\nchanged sources.app\n"
    after = load.sent
    load.key = NEW
    await load.more()
    change(server, f'write_key = ["{NEW}", "{KEY}"]', f'write_key = "{NEW}"')
    assert await reload(server) == "changed sources.app\n"
    await load.more()
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    assert set(load.answers) == {200}
    assert server.children() == before

    async def all_are_there() -> bool:
        return len(lines(server.data / "us" / "one.ndjson")) >= load.answers[200]

    await until(all_are_there, "all are delivered")
    got = _ids(server.data / "us" / "two.ndjson")
    assert {f"m{number}" for number in range(after + 5, load.answers.total() - 5)} <= got

    change(server, FILE.format("one"), "")
    assert await reload(server) == "removed destinations.one\n"
    await until(server.is_ready, "it delivers again")
    status, out, _ = await server.run("destinations", "list")
    assert status == 0
    assert "not in the configuration" in out
    assert (await server.run("audit"))[0] == 0
    assert await server.stop() == 0


async def test_a_mistake_changes_nothing(tmp_path: Path) -> None:
    """What can't be used is said by the command and in the log, and the old configuration goes on; so does the server
    when one of its processes dies while the file is wrong, and that one too once it is mended.
    """
    server = Server(tmp_path, FILE.format("one"))
    await server.start()
    assert server.process is not None
    log = tmp_path / "serve.log"
    change(server, str(server.port), "1")
    change(server, KEY, NEW)
    status, _, err = await server.run("reload")
    assert (status, "server.bind: can't change while the server runs" in err) == (2, True)
    change(server, '":1"' if '":1"' in server.config.read_text() else "127.0.0.1:1", f"127.0.0.1:{server.port}")
    server.config.write_text(server.config.read_text() + "no TOML")
    server.process.send_signal(signal.SIGHUP)

    async def is_told() -> bool:
        return "was not reloaded; the old one goes on" in log.read_text()

    await until(is_told, "the log says so")
    await _ask(server, KEY, 200)
    await _ask(server, NEW, 401)
    server.kill("delivery")
    await until(lambda: _dies_again(log), "it can't start with this file")
    await _ask(server, KEY, 200)
    change(server, "no TOML", "")
    server.process.send_signal(signal.SIGHUP)
    await until(server.is_ready, "it delivers again")
    await until(lambda: _takes(server, NEW), "the new key is taken")
    await _ask(server, KEY, 401)
    assert await server.stop() == 0


async def _dies_again(log: Path) -> bool:
    return '"status": 2, "event": "a process ended and is started again"' in log.read_text()


def _ids(path: Path) -> set[str]:
    return {json.loads(line)["postroad"]["messageId"] for line in path.read_text().splitlines()}


async def _status(server: Server, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}", "X-Strict-Mode": "1"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/v1/track", json={"userId": "u", "event": "e"}, headers=headers) as answer,
    ):
        return answer.status


async def _ask(server: Server, key: str, wanted: int) -> None:
    assert await _status(server, key) == wanted


async def _takes(server: Server, key: str) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        return await _status(server, key) == 200
    return False
