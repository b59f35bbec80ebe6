"""The servers under test: started on free ports, measured, stopped."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

KEY = "bench-write-key"
HERE = Path(__file__).parent


class Figures(NamedTuple):
    """One load run: answered requests a second, latencies in milliseconds."""

    rate: int
    p50: float
    p99: float


def free_port() -> int:
    """Return a port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load(port: int, connections: int, seconds: float, batch: int = 0) -> Figures:
    """Run the load generator as a process of its own; every answer must be a 200."""
    options: dict[str, object] = {
        "--port": port,
        "--key": KEY,
        "--connections": connections,
        "--seconds": seconds,
        "--batch": batch,
    }
    options["--path"] = "/v1/batch" if batch else "/v1/track"
    words = [str(word) for option in options.items() for word in option]
    done = subprocess.run([sys.executable, HERE / "load.py", *words], check=True, capture_output=True)
    told = json.loads(done.stdout)
    if set(told["statuses"]) != {"200"}:
        raise SystemExit(f"not every answer was a 200: {told['statuses']}")
    return Figures(told["requests_per_second"], told["p50_ms"], told["p99_ms"])


@contextlib.contextmanager
def empty_server() -> Iterator[int]:
    """Serve the empty handler; the port."""
    port = free_port()
    with process([sys.executable, str(HERE / "empty.py"), str(port)]):
        _wait(port)
        yield port


@contextlib.contextmanager
def postroad(folder: Path, tables: str = "", settings: str = "") -> Iterator[tuple[int, int, int]]:
    """Serve Postroad with its data in `folder`; the ingest port, the supervisor's process id, the admin port.

    `tables` and `settings` of the server are TOML.
    """
    port, admin = free_port(), free_port()
    config = folder / "postroad.toml"
    config.write_text(
        f'[server]\nbind = "127.0.0.1:{port}"\nadmin_bind = "127.0.0.1:{admin}"\ndata_dir = "{folder / "data"}"\n'
        f"{settings}"
        f'[sources.app]\nwrite_key = "{KEY}"\n{tables}'
    )
    with process([sys.executable, "-m", "postroad", "serve", "--config", str(config)]) as pid:
        _wait(port)
        yield port, pid, admin


def status(admin: int, folder: Path) -> list[dict[str, Any]]:
    """Return what the admin address says of every region."""
    token = (folder / "data" / "admin-token").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{admin}/api/status", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [region["status"] for region in json.load(answer)]


def memory(pid: int) -> dict[str, float]:
    """Return the resident MiB of each role of a supervised server."""
    found = {}
    for role, child in _children(pid).items():
        status = Path(f"/proc/{child}/status").read_text()
        found[role] = int(status.split("VmRSS:")[1].split()[0]) / 1024
    return found


def cpu(pid: int) -> dict[str, float]:
    """Return the CPU seconds that each role of a supervised server has used, in user code and in the kernel."""
    found = {}
    for role, child in _children(pid).items():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        found[role] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def _children(pid: int) -> dict[str, str]:
    listing = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[-4].decode(): child for child in listing}


@contextlib.contextmanager
def process(command: Sequence[str]) -> Iterator[int]:
    """Run a command; its process id. It is ended with SIGTERM, and killed if that doesn't help."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield child.pid
    finally:
        os.kill(child.pid, signal.SIGTERM)
        try:
            child.wait(40)
        except subprocess.TimeoutExpired:
            child.kill()


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing answers on port {port}")
