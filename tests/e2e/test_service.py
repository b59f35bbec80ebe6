"""Postroad as a service: what a service manager is told, and that no process leaves a core."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest
from server import Server, until


async def heard(manager: socket.socket) -> str:
    """Return the next datagram."""
    return (await asyncio.wait_for(asyncio.get_running_loop().sock_recv(manager, 4096), 60)).decode()


@pytest.mark.parametrize("named", ["file", "abstract"])
async def test_the_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """READY=1 comes when both addresses answer and not before; STOPPING=1 with SIGTERM, before the end."""
    place = str(tmp_path / "notify") if named == "file" else f"@postroad-{tmp_path.name}-{id(tmp_path)}"
    server = Server(tmp_path, "")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(place.replace("@", "\0") if named == "abstract" else place)
        manager.setblocking(False)  # noqa: FBT003 - the library's signature
        monkeypatch.setenv("NOTIFY_SOCKET", place)
        await server.launch()
        assert await heard(manager) == "READY=1\n"
        async with aiohttp.ClientSession() as session:
            for port in (server.port, server.admin_port):
                async with session.get(f"http://127.0.0.1:{port}/livez") as answer:
                    assert answer.status == 200
        assert server.process is not None
        server.process.terminate()
        assert await heard(manager) == "STOPPING=1\n"
        assert await server.stop() == 0
        with pytest.raises(BlockingIOError):
            manager.recv(4096)


async def test_a_manager_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that nobody reads is no reason not to serve."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    server = Server(tmp_path, "")
    await server.start()
    assert await server.stop() == 0


async def test_no_process_dumps_its_core(tmp_path: Path) -> None:
    """The supervisor and both roles have a limit of 0 bytes for cores, which they can't raise again."""
    server = Server(tmp_path, "")
    await server.start()
    try:
        assert server.process is not None

        async def both() -> bool:
            return len(server.children()) == 2

        await until(both, "both roles run")
        for pid in (server.process.pid, *server.children()):
            limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
            [cores] = [line.split()[4:6] for line in limits if line.startswith("Max core file size")]
            assert cores == ["0", "0"]
    finally:
        await server.stop()
