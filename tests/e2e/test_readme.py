"""What the README says, done."""

import asyncio
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from server import free_port, until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a reader would, with our `postroad` on the path."""
    path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_first_screen_works(tmp_path: Path) -> None:
    """`make serve` prints a curl that is ready to paste; its event is in the file within a second, as promised."""
    make, curl = blocks("sh")[:2]
    assert make == "make serve\n"
    port = free_port()
    data = tmp_path / "postroad-data"
    environment = {
        "POSTROAD__SERVER__BIND": f"127.0.0.1:{port}",
        "POSTROAD__SERVER__ADMIN_BIND": f"127.0.0.1:{free_port()}",
        "POSTROAD__SERVER__DATA_DIR": str(data),
        "POSTROAD__REGIONS__US__DISK_FLOOR": "0",
    }
    output = tmp_path / "serve.log"
    with output.open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            "make", "serve", cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
        )
    try:

        async def ready() -> bool:
            return "Ready" in output.read_text()

        await until(ready, "make serve is ready")
        printed = re.search(r"^curl .*?^}'", output.read_text(), re.DOTALL | re.MULTILINE)
        assert printed is not None, output.read_text()
        for command in (printed.group(), curl.replace("127.0.0.1:8080", f"127.0.0.1:{port}")):
            done = shell(command, tmp_path)
            assert (done.returncode, done.stdout) == (0, "{}"), done.stderr
        file = data / "us" / "events.ndjson"

        async def delivered() -> bool:
            return file.exists() and len(file.read_bytes().splitlines()) == 2

        await until(delivered, "both events are in the file", patience=5)
        names = [json.loads(line)["event"]["event"] for line in file.read_bytes().splitlines()]
        assert names == ["Email Delivered", "Email Delivered"]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        await asyncio.wait_for(server.wait(), 60)


def test_the_example_configuration_is_right(tmp_path: Path) -> None:
    """The README's file passes `postroad check` as the README calls it."""
    (tmp_path / "postroad.toml").write_text(blocks("toml")[0].removeprefix("# postroad.toml\n"))
    check = next(line for line in blocks("sh")[2].splitlines() if " check " in line)
    secret = "whsec_" + "A" * 43 + "="
    done = shell(check, tmp_path, APP_WRITE_KEY="some-key", CRM_SECRET=secret)
    assert done.returncode == 0, done.stdout + done.stderr
    assert secret not in done.stdout


@pytest.mark.parametrize("verb", re.findall(r"`postroad ([a-z ]+)", README))
def test_every_command_it_names_exists(verb: str, tmp_path: Path) -> None:
    """Each verb that the README names has help."""
    done = shell(f"postroad {verb.strip()} --help", tmp_path)
    assert done.returncode == 0, done.stderr
