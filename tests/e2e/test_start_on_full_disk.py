"""A start on a disk that is full or read-only: the same 503 as later on, and healing without a restart."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from server import Server, lines, until
from test_full_disk import post

pytestmark = pytest.mark.full


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of eight megabytes in the place of the data folder."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        assert not (os.environ.get("CI") and os.geteuid() == 0), done.stderr
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
async def server(tmp_path: Path, disk: Path) -> AsyncIterator[Server]:
    """A running server on that disk that has delivered one event."""
    assert disk.is_mount()
    server = Server(tmp_path, '[destinations.file]\ntype = "file"\n')
    await server.start()
    assert (await post(server, "before", strict=True)).status == 200
    await until(lambda: delivered(server, 1), "the event is delivered")
    yield server
    if server.process is not None and server.process.returncode is None:
        await server.stop()


def run(*command: str) -> None:
    """Run a command that does not fail."""
    subprocess.run(command, check=True)


async def delivered(server: Server, count: int) -> bool:
    """Tell whether so many events are in the file."""
    return len(lines(server.data / "us" / "file.ndjson")) == count


def fill(disk: Path) -> None:
    """Leave no byte."""
    with (disk / "ballast").open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    assert os.statvfs(disk).f_bavail == 0


async def refused(server: Server) -> bool:
    """Tell whether somebody answers, and by 503 in both modes."""
    if not await server.readiness():
        return False
    for strict in (True, False):
        answer = await post(server, "during", strict=strict)
        if answer.status == 200:  # what opening it tidied up was room enough for this one
            fill(server.data)
            return False
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) >= 5
    return True


async def heals(server: Server, free: list[str]) -> None:
    """The server refuses without being started over and over, and takes and delivers when `free` was run."""
    await until(lambda: refused(server), "it answers, and refuses")
    children = sorted(server.children())
    for _ in range(20):  # more than two seconds: whoever dies is started again after one
        assert await refused(server)
    assert sorted(server.children()) == children
    run(*free)

    async def accepted() -> bool:
        return (await post(server, "during", strict=True)).status == 200

    await until(accepted, "the log heals")
    await until(lambda: delivered(server, 2), "both events are delivered")
    await until(server.is_ready, "it says so")
    assert sorted(server.children()) == children
    status, out, err = await server.run("audit")
    assert status == 0, out + err
    assert await server.stop() == 0
    said = (server.folder / "serve.log").read_text()
    assert "a process ended" not in said, said


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_a_full_disk(server: Server, disk: Path, end: str) -> None:
    """A server that is started on a full disk refuses every event by 503 and heals, however it had ended."""
    await getattr(server, end)()
    fill(disk)
    await server.launch()
    await heals(server, ["rm", str(disk / "ballast")])


@pytest.mark.parametrize("lost", [["admin-token"], ["us/destinations.json"], ["us/rejections.db"], ["us/ledger.db"]])
async def test_a_full_disk_and_a_file_to_be_made(server: Server, disk: Path, lost: list[str]) -> None:
    """What a start has to make waits for room, and is made then."""
    assert await server.stop() == 0
    for name in lost:
        (disk / name).unlink()
    if "us/ledger.db" in lost:
        (disk / "us" / "file.ndjson").unlink()  # delivered once more: nobody knows that it was
    fill(disk)
    await server.launch()
    await heals(server, ["rm", str(disk / "ballast")])
    for name in lost:
        assert (disk / name).exists()


async def test_a_region_that_is_new_on_a_full_disk(server: Server, disk: Path) -> None:
    """A region that was never there waits for room."""
    assert await server.stop() == 0
    with server.config.open("a") as file:
        file.write("[regions.eu]\ndisk_floor = 0\n")
    fill(disk)
    await server.launch()
    await heals(server, ["rm", str(disk / "ballast")])


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_a_read_only_disk(server: Server, disk: Path, end: str) -> None:
    """The same for a disk that is read-only for a while."""
    await getattr(server, end)()
    run("mount", "-o", "remount,ro", str(disk))
    await server.launch()
    await heals(server, ["mount", "-o", "remount,rw", str(disk)])


async def test_a_folder_that_never_was(tmp_path: Path, disk: Path) -> None:
    """A first start without room is refused in one sentence."""
    fill(disk)
    server = Server(tmp_path, '[destinations.file]\ntype = "file"\n')
    await server.launch()
    assert server.process is not None
    assert await server.process.wait() == 3
    assert "No space left on device" in (tmp_path / "serve.log").read_text()
