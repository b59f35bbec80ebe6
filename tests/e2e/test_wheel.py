"""The package outside the checkout: built, installed as docs/install.md says, and used."""

import asyncio
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import aiohttp
import pytest
from server import free_port, lines, until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text()
NAME = "postroad-VERSION-py3-none-any.whl"


def block(start: str) -> str:
    """Return the page's block of commands that begins so."""
    [found] = [text for text in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if text.startswith(start)]
    return str(found)


def outside(folder: Path) -> dict[str, str]:
    """Return an environment in which tools are installed below `folder`, and nothing of the checkout is found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "POSTROAD", "VIRTUAL"))}
    tools = Path(sys.executable).parent  # pipx and uv
    places = {"PIPX_HOME": "pipx", "PIPX_BIN_DIR": "bin", "UV_TOOL_DIR": "uv", "UV_TOOL_BIN_DIR": "bin"}
    return {
        **kept,
        **{name: str(folder / place) for name, place in places.items()},
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "UV_PYTHON": sys.executable,
        "PATH": f"{folder / 'bin'}:{kept['PATH']}:{tools}",
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built as `make wheel` does."""
    folder = tmp_path_factory.mktemp("dist")
    build = re.search(r"^wheel:.*\n\t@\$\(BIN\)/python (.*) -d dist$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert build is not None
    subprocess.run([sys.executable, *build[1].split(), "-d", str(folder)], cwd=ROOT, check=True, capture_output=True)
    [file] = folder.iterdir()
    return file


@pytest.mark.full
def test_the_wheel_has_what_it_needs(wheel: Path) -> None:
    """It has every file of the package, the licence and the extras of the page, and no test."""
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {str(file.relative_to(ROOT / "src")) for file in (ROOT / "src").rglob("*") if file.is_file()}
    assert {name for name in ours if "__pycache__" not in name} - names == set()
    assert {name.partition("/")[0] for name in names} == {
        "postroad",
        wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info",
    }
    [metadata] = [name for name in names if name.endswith("dist-info/METADATA")]
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    rows = re.findall(r"^\| `(\w+)` \| `\w+` \|", PAGE, re.MULTILINE)
    assert rows == ["postgres", "parquet"]
    for extra in rows:
        assert f"Provides-Extra: {extra}\n" in text
    assert "Requires-Dist: hatchling" not in text


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("tool", "extras"), [("pipx", ""), ("uv", "[postgres]")])
async def test_installed_and_used(wheel: Path, tmp_path: Path, tool: str, extras: str) -> None:
    """As a tool it tells its version, writes a configuration, checks it, serves, and delivers an event to a file."""
    environment = outside(tmp_path)

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    run(block(f"{tool} ").replace(f"./{NAME}", f"'{wheel}{extras}'"))
    assert run("command -v postroad").strip() == str(tmp_path / "bin" / "postroad")
    version = run("postroad --version").split()[1]
    assert f"postroad-{version}-" in wheel.name
    init, check, serve = block("postroad init").splitlines()
    port = free_port()
    key = re.findall(r"sk_us_\S+", run(f"{init} --bind 127.0.0.1:{port} --yes"))[0]
    file = tmp_path / "postroad.toml"
    file.write_text(
        file.read_text()
        .replace('# admin_bind = "127.0.0.1:8081"', f'admin_bind = "127.0.0.1:{free_port()}"')
        .replace('# disk_floor = "512MiB"', "disk_floor = 0")
    )
    assert run(check).startswith("ok: postroad.toml")
    with (tmp_path / "serve.log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            *["bash", "-c", f"exec {serve}"], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )
    try:

        async def ready() -> bool:
            assert server.returncode is None, (tmp_path / "serve.log").read_text()
            return "Ready." in (tmp_path / "serve.log").read_text()

        await until(ready, "the installed server is ready")
        run(f"postroad send --key {key} --event 'Email Delivered' --user u1 --property email_id=e1")
        arrived = tmp_path / "postroad-data" / "us" / "events.ndjson"

        async def delivered() -> bool:
            return len(lines(arrived)) == 1

        await until(delivered, "the event is in the file")
        for page in ("/docs", "/openapi.json", "/postroad.schema.json"):
            url = f"http://127.0.0.1:{port}{page}"
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                assert answer.status == 200
        run("postroad status")
    finally:
        server.terminate()
        await asyncio.wait_for(server.wait(), 60)
    assert server.returncode == 0
    run("postroad audit")
