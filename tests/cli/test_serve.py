"""`postroad serve` without a configuration file: what it prints, that it works, and how it ends."""

import asyncio
import base64
import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import sys
from contextlib import closing

import aiohttp
import pytest
from server import free_port, until

from postroad import __version__
from postroad.cli import free
from postroad.storage.files import Lock

PATIENCE = 30


class Program:
    """The program in a folder of its own, with no file and two free ports."""

    def __init__(self, folder):
        self.folder = folder
        self.data = folder / "postroad-data"
        self.port = free_port()
        self.environ = os.environ | {
            "POSTROAD__SERVER__BIND": f"127.0.0.1:{self.port}",
            "POSTROAD__SERVER__ADMIN_BIND": f"127.0.0.1:{free_port()}",
            "PYTHONUNBUFFERED": "1",
        }
        self.environ.pop("POSTROAD_CONFIG", None)
        self.python = [sys.executable]
        self.started = []

    async def start(self, *arguments, **pipes):
        """Start a verb; its output goes to files named after it."""
        name = f"{arguments[0]}-{len(self.started)}"
        out, err = self.folder / f"{name}.out", self.folder / f"{name}.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(*self.python, "-m", "postroad", *arguments),
                cwd=self.folder,
                env=self.environ,
                **{"stdout": stdout, "stderr": stderr, **pipes},
            )
        self.started.append(process)
        return process, out, err

    async def ends(self, process):
        """Wait for the end of a process; returns its status."""
        return await asyncio.wait_for(process.wait(), PATIENCE)

    async def serve(self):
        """Start the server and wait until it says that it is ready; returns the process and what it printed."""
        process, out, _ = await self.start("serve")

        async def ready():
            assert process.returncode is None, out.read_text()
            return "Ready." in out.read_text()

        await until(ready, "the server is ready")
        return process, out.read_text()


@pytest.fixture
async def program(tmp_path, monkeypatch):
    """The program, with nothing of it left running afterwards; verbs called here have the same surroundings."""
    program = Program(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSTROAD_CONFIG", raising=False)
    for name, value in program.environ.items():
        if name.startswith("POSTROAD_"):
            monkeypatch.setenv(name, value)
    yield program
    for process in program.started:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE)


@pytest.fixture
def here(program, verbs):  # noqa: ARG001 - it brings the surroundings
    """The verbs, called in this process in the program's folder."""
    return verbs()


def request_of(printed):
    """Return the URL, the user and the body of the curl command that was printed."""
    command = printed[printed.index("curl ") : printed.index("}'") + 2]
    words = shlex.split(command)
    return words[1], words[words.index("--user") + 1], words[words.index("--data") + 1]


async def post(url, user, body):
    """Do what curl would do; returns status and body."""
    credentials = base64.b64encode(user.encode()).decode()
    headers = {"X-Strict-Mode": "1", "Content-Type": "application/json", "Authorization": f"Basic {credentials}"}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_from_the_first_start_to_a_later_one(program, here):
    """The first start prints a call that works as it is printed, and its event is delivered. Ctrl-C ends the server,
    which is not said to accept or deliver any more. A later start does not print the key.
    """
    process, printed = await program.serve()
    url, user, body = request_of(printed)
    key = (program.data / "write-key").read_text().strip()
    assert (url, user) == (f"http://127.0.0.1:{program.port}/v1/track", f"{key}:")
    assert str(program.data) in printed
    assert "postroad status\n" in printed
    assert f"Settings go into postroad.toml in this folder ({program.folder})" in printed
    assert "admin-token" in printed
    assert (program.data / "admin-token").read_text().strip() not in printed
    assert await post(url, user, body) == (200, "{}")
    file = program.data / "us" / "events.ndjson"

    async def arrived():
        return file.exists() and b"Email Delivered" in file.read_bytes()

    await until(arrived, "the event is in the file")
    assert json.loads(file.read_text())["event"]["userId"] == json.loads(body)["userId"]
    status, running, _ = await here.run("status")
    assert status == 0
    assert running.startswith("region us: accepting, delivering\n")
    process.send_signal(signal.SIGINT)
    assert await program.ends(process) == 0
    status, stopped, _ = await here.run("status")
    assert status == 1
    assert stopped.startswith("region us: NOT ACCEPTING, NOT DELIVERING\n")
    assert re.search(r"^events +not running", stopped, re.MULTILINE)
    _, printed = await program.serve()
    assert key not in printed
    assert request_of(printed)[1] == "$(cat postroad-data/write-key):"


async def test_a_second_server(program, here, monkeypatch):
    """An address that is in use is told in one sentence with status 2, at once and with what to do; nothing is started
    over and over, and no data folder is left behind.
    """
    monkeypatch.setattr(free, "LOOK_EVERY", PATIENCE)
    with socket.create_server(("127.0.0.1", program.port)):
        err = await here.complains(2, "serve")
    assert err.startswith("postroad: server.bind: ")
    assert str(program.port) in err
    other = f"127.0.0.1:{program.port + 10 if program.port < 65_000 else program.port - 10}"
    assert err.endswith(f'`bind = "{other}"` under [server] in postroad.toml, or POSTROAD__SERVER__BIND={other}\n')
    assert not program.data.exists()


async def test_a_data_folder_in_use(program, here, monkeypatch):
    """A data folder that another server writes is told in one sentence, and nothing is started over and over."""
    monkeypatch.setattr(free, "PATIENCE", 0.1)
    (program.data / "us" / "log").mkdir(parents=True)
    lock = Lock(program.data / "us" / "log" / "writer.lock")
    assert "another Postroad process is writing here; stop it first" in await here.complains(3, "serve")
    lock.release()


async def test_a_folder_that_others_may_write(program, here):
    """A data folder in which others may put an admin token is refused, by `check` too, with what to do."""
    program.data.mkdir()
    (program.data / "write-key").write_text("chosen-by-somebody\n")
    for mode in (0o775, 0o777):
        program.data.chmod(mode)
        for verb in ("serve", "check"):
            said = await here.complains(2, verb)
            assert said.startswith("postroad: server.data_dir: others may write in postroad-data; run `chmod go-w ")
    assert [path.name for path in program.data.iterdir()] == ["write-key"]


async def test_a_newer_folder(program, here):
    """A folder that a newer Postroad wrote ends the server with a sentence."""
    program.data.mkdir()
    (program.data / "FORMAT").write_text("99\n")
    assert "upgrade" in await here.complains(2, "serve")


async def test_a_newer_file(program):
    """A file that a newer Postroad wrote ends the server with a sentence, not over and over."""
    (program.data / "us").mkdir(parents=True)
    with closing(sqlite3.connect(program.data / "us" / "ledger.db", isolation_level=None)) as db:
        db.execute("CREATE TABLE meta (key, value)")
        db.execute("INSERT INTO meta VALUES ('kind', 'ledger'), ('format', 99)")
    process, _, err = await program.start("serve")
    assert await program.ends(process) == 2
    assert "ledger.db: has format 99" in err.read_text()


async def test_an_unknown_role(here):
    """A role that does not exist is told with the nearest one."""
    assert "`delivery`" in await here.complains(2, "serve", "--roles", "ingest,delivry")


async def test_before_the_first_start(program, here):
    """Without a file and without a first start, the verbs say so and create nothing."""
    for verb in ("check", "status", "audit", "export", "dead list", "replay list"):
        assert "write-key" in await here.complains(2, *verb.split())
    assert not program.data.exists()


async def test_the_file_in_this_folder(program):
    """Without `--config`, `./postroad.toml` is used when it is there, and the banner says so."""
    (program.folder / "postroad.toml").write_text('[sources.here]\nwrite_key = "k-here"\n')
    process, printed = await program.serve()
    assert "settings     ./postroad.toml (found in this folder)" in printed
    url, _, body = request_of(printed)
    assert (await post(url, "k-here:", body))[0] == 200
    process.terminate()
    assert await program.ends(process) == 0


async def test_a_module_in_the_current_folder(program):
    """A file in the current folder that is called as a module of ours is not run, by none of the processes."""
    for name in ("structlog", "postroad", "json"):
        (program.folder / f"{name}.py").write_text('open("ran", "a").close()\nraise SystemExit(1)\n')
    program.python.append("-P")  # as the installed `postroad` starts: the current folder is not on its path
    process, _ = await program.serve()
    process.terminate()
    assert await program.ends(process) == 0
    assert not (program.folder / "ran").exists()


async def test_the_log_tells_of_start_and_stop(program):
    """The log has a line when it starts, with the version and what is configured, and one when it has stopped."""
    process, _ = await program.serve()
    process.terminate()
    assert await program.ends(process) == 0
    log = [json.loads(line) for line in (program.folder / "serve-0.err").read_text().splitlines()]
    (start,) = [line for line in log if line["event"] == "Postroad starts"]
    assert (start["version"], start["destinations"], start["sources"]) == (
        __version__,
        ["events"],
        [start["sources"][0]],
    )
    assert start["bind"] == f"127.0.0.1:{program.port}"
    assert log[-1]["event"] == "Postroad has stopped"
    assert not [line for line in log if line["level"] != "info"], "a fresh folder is nothing to warn of"
