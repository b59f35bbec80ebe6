"""What others run us by: the Dockerfile, the compose file and the systemd unit keep what they promise."""

import asyncio
import configparser
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from server import free_port, until

from postroad.config.model import Server

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNIT = ROOT / "packaging" / "postroad.service"
BIN = Path(sys.executable).parent
KILLED_AFTER = 5.0
"""Seconds after `shutdown_grace` at which the supervisor kills what has not ended."""


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions in order: their names, and the rest on one line."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    pairs = [line.partition(" ")[::2] for line in text.splitlines() if line.strip()]
    return [(name, " ".join(rest.split())) for name, rest in pairs]


def stages() -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage, without its FROM."""
    found: list[list[tuple[str, str]]] = []
    for name, rest in instructions():
        found.append([]) if name == "FROM" else found[-1].append((name, rest))
    return found


def image_environment() -> dict[str, str]:
    """Return what the image sets in the environment."""
    [settings] = [rest for name, rest in stages()[-1] if name == "ENV"]
    return dict(pair.split("=", 1) for pair in settings.split(" "))


def compose() -> dict[str, Any]:
    """Return the service of the compose file."""
    import yaml  # noqa: PLC0415 - only the full lock has it

    document = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert document["services"].keys() == {"postroad"}
    return dict(document["services"]["postroad"])


def test_the_image_promises() -> None:
    """It runs as somebody who is nobody, from what the lock files name by hash, and says whether it is well."""
    last = dict(stages()[-1])
    assert last["USER"] == "10001:10001"
    assert re.fullmatch(
        r'--interval=\S+ --timeout=\S+ --start-period=\S+ --retries=3 CMD \["postroad", "status"\]', last["HEALTHCHECK"]
    )
    assert (last["ENTRYPOINT"], last["CMD"], last["EXPOSE"]) == ('["postroad"]', '["serve"]', "8080")
    assert last["VOLUME"] == image_environment()["POSTROAD__SERVER__DATA_DIR"]
    assert [rest for name, rest in instructions() if name == "ADD"] == []
    installs = re.findall(r"pip install [^&]*", " ".join(rest for name, rest in instructions() if name == "RUN"))
    assert len(installs) == 3
    assert [line for line in installs if "--require-hashes" not in line and "--no-deps" not in line] == []
    assert "requirements-build.lock" not in " ".join(rest for _, rest in stages()[-1])


def test_the_image_gets_what_it_copies() -> None:
    """What the Dockerfile copies is let through by .dockerignore, and nothing else is sent to the daemon."""
    copied = {word for name, rest in stages()[0] if name == "COPY" for word in rest.split(" ")[:-1]}
    ignored, *let_through = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    assert ignored == "*"
    assert {line.removeprefix("!") for line in let_through if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.full
def test_linters_approve() -> None:
    """Hadolint finds nothing in the Dockerfile, and the compose file is right by the published schema."""
    subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], check=True)
    check = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"]
    subprocess.run(check, check=True)


@pytest.mark.full
def test_what_is_copied_builds(tmp_path: Path) -> None:
    """The stage that builds has all that the package is made of, and makes the same one as the checkout."""
    for name, rest in stages()[0]:
        for word in rest.split(" ")[:-1] if name == "COPY" else ():
            if (ROOT / word).is_dir():
                shutil.copytree(ROOT / word, tmp_path / word, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / word, tmp_path)
    for folder in (tmp_path, ROOT):
        command = [
            sys.executable,
            "-m",
            "hatchling",
            "build",
            "-t",
            "wheel",
            "-d",
            str(tmp_path / f"{folder.name}-dist"),
        ]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    one, other = (zipfile.ZipFile(file) for file in sorted(tmp_path.glob("*-dist/*.whl")))
    assert sorted(one.namelist()) == sorted(other.namelist())


@pytest.mark.full
def test_the_container_is_locked_down() -> None:
    """Nothing but the volume and /tmp can be written, no privilege is left or gained, and a stop is waited for."""
    service = compose()
    assert service["read_only"] is True
    assert service["user"] == dict(stages()[-1])["USER"]
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]  # noqa: S108 - the container's
    assert service["volumes"] == [f"data:{image_environment()['POSTROAD__SERVER__DATA_DIR']}"]
    assert service["ports"] == ["127.0.0.1:8080:8080"]
    assert service["ulimits"]["core"] == 0
    assert int(service["stop_grace_period"].removesuffix("s")) > Server().shutdown_grace + KILLED_AFTER


def unit() -> dict[str, str]:
    """Return the settings of the unit's service; of one that is given twice, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return dict(parser["Service"])


def test_the_unit_promises() -> None:
    """Systemd waits for READY=1 of the main process, dumps no core, and lets it write its own folder only."""
    found = unit()
    assert (found["Type"], found["NotifyAccess"], found["LimitCORE"]) == ("notify", "main", "0")
    assert (found["ProtectSystem"], found["StateDirectory"], found["NoNewPrivileges"]) == ("strict", "postroad", "yes")
    assert found["Environment"] == "POSTROAD__SERVER__DATA_DIR=/var/lib/postroad"
    assert found["RestartPreventExitStatus"] == "2"
    assert int(found["TimeoutStopSec"].removesuffix("s")) > Server().shutdown_grace + KILLED_AFTER


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd to ask")
def test_systemd_approves(tmp_path: Path) -> None:
    """`systemd-analyze verify` says nothing about the unit, and `security` that little is exposed."""
    file = tmp_path / "postroad.service"
    file.write_text(UNIT.read_text().replace("/opt/postroad/bin/postroad", sys.executable))
    verified = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    review = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(file)]
    subprocess.run(review, check=True, capture_output=True)


def port_everywhere() -> int:
    """Return a port that nobody listens on at any address, below those that calls from this machine are given."""
    for port in range(20000 + os.getpid() % 5000, 30000):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - as the image does
            return port
    raise AssertionError("no port is free")


READ_ONLY = """
mount --make-rprivate /
mount --bind "$POSTROAD__SERVER__DATA_DIR" "$POSTROAD__SERVER__DATA_DIR"
mount -o remount,bind,ro /
cd "$POSTROAD__SERVER__DATA_DIR"
exec "$@"
"""


@pytest.mark.full
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
async def test_a_read_only_root_file_system(tmp_path: Path) -> None:
    """With the image's environment and nothing to write but the data folder, not even /tmp, it takes an event, delivers
    it, is healthy and stops well.
    """
    data = tmp_path / "data"
    data.mkdir()
    port = port_everywhere()
    own = {name: value for name, value in image_environment().items() if name not in {"PATH", "HOME"}}
    environment = {
        **os.environ,
        **own,
        "POSTROAD__SERVER__BIND": own["POSTROAD__SERVER__BIND"].replace("8080", str(port)),
        "POSTROAD__SERVER__ADMIN_BIND": f"127.0.0.1:{free_port()}",
        "POSTROAD__SERVER__DATA_DIR": str(data),
        "POSTROAD__REGIONS__US__DISK_FLOOR": "0",
    }
    postroad = [sys.executable, "-m", "postroad"]
    with (tmp_path / "serve.log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            *[
                "unshare",
                "--mount",
                "bash",
                "-ec",
                READ_ONLY,
                "bash",
                *postroad,
                *json.loads(dict(stages()[-1])["CMD"]),
            ],
            env=environment,
            stdout=log,
            stderr=log,
        )

    async def inside(*command: str) -> tuple[int, str]:
        child = await asyncio.create_subprocess_exec(
            *["nsenter", "--target", str(server.pid), "--mount", *command],
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await child.communicate()
        return child.returncode or 0, out.decode()

    async def healthy() -> bool:
        assert server.returncode is None, (tmp_path / "serve.log").read_text()
        return (await inside(*postroad, "status"))[0] == 0

    try:
        await until(healthy, "the server is healthy")
        status, said = await inside("touch", str(tmp_path / "elsewhere"))
        assert (status, "Read-only file system" in said) == (1, True)
        options = ["--event", "Email Delivered", "--user", "u1", "--property", "email_id=e1"]
        assert (await inside(*postroad, "send", *options))[0] == 0

        async def delivered() -> bool:
            return (data / "us" / "events.ndjson").exists()

        await until(delivered, "the event is in the file")
    finally:
        if server.returncode is None:
            server.terminate()
    assert await asyncio.wait_for(server.wait(), 60) == 0
