"""The real server as a process, for tests that call it, kill it and look at what it left."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp

KEY = "test-write-key"
PATIENCE = 60.0


def free_port() -> int:
    """Return a port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(probe: Callable[[], Awaitable[bool]], what: str, patience: float = PATIENCE) -> None:
    """Ask again and again until the answer is yes; fail with `what` when patience ends."""
    try:
        async with asyncio.timeout(patience):
            while not await probe():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited {patience} s in vain: {what}") from None


class Server:
    """`postroad serve` with a configuration of its own in `folder`."""

    def __init__(self, folder: Path, destinations: str, region: str = "") -> None:
        """`destinations` is TOML; `region` are settings of region us."""
        self.folder = folder
        self.port, self.admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = folder / "data"
        self.config = folder / "postroad.toml"
        self.config.write_text(
            f'[server]\nbind = "127.0.0.1:{self.port}"\nadmin_bind = "127.0.0.1:{self.admin_port}"\n'
            f'data_dir = "{self.data}"\n'
            f"[regions.us]\ndisk_floor = 0\n{region}\n"
            f'[sources.app]\nwrite_key = "{KEY}"\n{destinations}\n'
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it accepts and delivers."""
        await self.launch()
        await until(self.is_ready, f"{self.url} is ready; see {self.folder}/serve.log")

    async def launch(self) -> None:
        """Start it."""
        with (self.folder / "serve.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "postroad", "serve", "--config", str(self.config), stdout=log, stderr=log
            )

    async def is_ready(self) -> bool:
        """Tell whether the server accepts and delivers."""
        told = await self.readiness()
        return bool(told.get("accepting") and told.get("delivering"))

    async def readiness(self) -> dict[str, Any]:
        """Return what `/readyz` says, nothing while nobody answers."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as answer:
                return dict(await answer.json())
        except (aiohttp.ClientError, OSError):
            return {}

    def children(self) -> list[int]:
        """Return the process ids of the two roles that are alive."""
        assert self.process is not None
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listing.split()]

    def child(self, role: str) -> int | None:
        """Return the process id of one role."""
        for pid in self.children():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if role.encode() in words:
                return pid
        return None

    def kill(self, role: str) -> None:
        """`kill -9` one role, if it is alive."""
        pid = self.child(role)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    async def crash(self) -> None:
        """`kill -9` the supervisor and both roles, and wait until all are gone."""
        assert self.process is not None
        pids = self.children()
        self.process.kill()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        await self.process.wait()
        await until(lambda: _gone(pids), "the killed processes are gone")

    async def run(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        """Run another verb of the command line on this configuration; status, output, errors."""
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "postroad",
            *arguments,
            "--config",
            str(self.config),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(child.communicate(stdin), PATIENCE)
        assert child.returncode is not None
        return child.returncode, out.decode(), err.decode()


async def _gone(pids: Sequence[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def lines(path: Path) -> list[dict[str, object]]:
    """Return the lines of an NDJSON file; every one of them is whole."""
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
