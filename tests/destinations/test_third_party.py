"""A destination can be added, here or in a package of one's own, as ADDING_A_DESTINATION.md says."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from postroad.testing.destinations import DestinationConformance

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ADDING_A_DESTINATION.md").read_text()
HERE, OWN = PAGE.split("## In a package of your own")


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def shell(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a reader would."""
    return subprocess.run(
        ["bash", "-ec", script],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def postroad(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one command."""
    command = [sys.executable, "-m", "postroad", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a destination's author works with."""
    folder = tmp_path / "checkout"
    for part in ("src", "docs", "tests/config", "tests/destinations"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "tests/golden_files.py"):
        shutil.copy(ROOT / file, folder / file)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@pytest.mark.full
def test_the_page_for_this_repository(checkout: Path) -> None:
    """Each command of the page does what the page says, and the printed line is all that is left to add."""
    create, *tests = blocks(HERE, "sh")
    source = str(checkout / "src")
    created = shell(create, checkout, PYTHONPATH=source)
    assert created.returncode == 0, created.stderr
    written = re.findall(r"^wrote (.*)$", created.stdout, re.MULTILINE)
    assert {str(Path(file).parent) for file in written} == {
        "src/postroad/destinations",
        "tests/destinations",
        "tests/golden/destinations/pager",
    }
    line = re.search(r'^ +("pager": .*,)$', created.stdout, re.MULTILINE)
    assert line is not None
    registry = checkout / "src" / "postroad" / "registry.py"
    before = "DESTINATIONS: Final[Mapping[str, str]] = {\n"
    assert before in registry.read_text()
    registry.write_text(registry.read_text().replace(before, f"{before}    {line[1]}\n"))
    for command in tests:
        done = shell(command.replace("pytest", "pytest -p no:cacheprovider"), checkout, PYTHONPATH=source)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "### Type `pager`" in (checkout / "docs" / "reference" / "configuration.md").read_text()


def test_what_is_written_is_as_we_write(checkout: Path) -> None:
    """What `new destination` writes passes our own format, lint and types."""
    created = shell(blocks(HERE, "sh")[0], checkout, PYTHONPATH=str(checkout / "src"))
    assert created.returncode == 0, created.stderr
    files = "src/postroad/destinations/pager.py tests/destinations/test_pager.py"
    ruff = shell(f".venv/bin/ruff check --no-cache {files}; .venv/bin/ruff format --no-cache --check {files}", checkout)
    assert ruff.returncode == 0, ruff.stdout + ruff.stderr


@pytest.mark.full
def test_the_page_for_a_package_of_ones_own(tmp_path: Path) -> None:
    """A package by another author is installed, passes the conformance suite, and its type can be configured."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    # Our own environment below the new one: what is installed there lands in the new one only.
    site = next((environment / "lib").iterdir()) / "site-packages"
    (site / "ours.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT / 'src'}\n")
    bin_ = environment / "bin"
    (bin_ / "postroad").write_text(f'#!/bin/sh\nexec {bin_ / "python"} -m postroad "$@"\n')
    (bin_ / "postroad").chmod(0o755)
    create, check = blocks(OWN, "sh")
    settings = blocks(OWN, "toml")[0]
    done = shell(
        f"{create}\ncat > postroad.toml <<'END'\n{settings}END\n{check}",
        tmp_path,
        PATH=f"{bin_}:{os.environ['PATH']}",
        PIP_NO_INDEX="1",
        PIP_NO_DEPS="1",
        PIP_NO_BUILD_ISOLATION="0",  # pip reads this as: no isolation
        PIP_DISABLE_PIP_VERSION_CHECK="1",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    assert int(passed[1]) > sum(name.startswith("test_") for name in vars(DestinationConformance))
    assert re.search(r"oncall +pager", done.stdout), done.stdout
    assert "secret" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["Pager"], "'Pager' can't be the name of a module"),
        (["../pager"], "'../pager' can't be the name of a module"),
        (["pager-duty"], "'pager-duty' can't be the name of a module"),
        (["class"], "'class' can't be the name of a module"),
        (["webhook"], "'webhook' is a destination already: postroad.destinations.webhook:Webhook"),
        (["webhook", "--package", "x"], "'webhook' is a destination already"),
        (["pager"], "there is no src/postroad/registry.py here; run this in a checkout of Postroad, or give --package"),
        (["pager", "--package", "file"], "file is not a folder"),
        (["pager", "--package", "/dev/null/x"], "/dev/null/x: Not a directory"),
    ],
)
def test_what_cannot_be_written_is_a_sentence(arguments: list[str], problem: str, tmp_path: Path) -> None:
    """A wrong name or place writes nothing and says why, with the exit status of a wrong command."""
    (tmp_path / "file").touch()
    done = postroad("new", "destination", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert problem in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Where one of the files exists, none is written."""
    mine = tmp_path / "own" / "pyproject.toml"
    mine.parent.mkdir()
    mine.write_text("mine")
    done = postroad("new", "destination", "pager", "--package", "own", folder=tmp_path)
    assert (done.returncode, "own/pyproject.toml exists already" in done.stderr) == (2, True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert mine.read_text() == "mine"


def test_json_lists_what_was_written(tmp_path: Path) -> None:
    """With `--json` a program learns the files and the registry line."""
    done = postroad("new", "destination", "night_shift", "--package", "own", "--json", folder=tmp_path)
    told = json.loads(done.stdout)
    assert told["registry"] == 'night_shift = "postroad_night_shift.destination:NightShift"'
    assert {tmp_path / file for file in told["files"]} == {path for path in tmp_path.rglob("*") if path.is_file()}
