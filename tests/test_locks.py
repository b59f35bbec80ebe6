"""The lock files: each version by name and hash, no address, and what only builds kept out of what runs."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = [f"requirements{part}.lock" for part in ("", "-extras", "-build", "-dev", "-full")]
REQUIREMENT = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)(?: ; [^\\]+)?(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)
BUILDERS = {"editables", "hatchling", "setuptools", "wheel", "trove-classifiers", "pip", "uv"}


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions of each package that a lock file names; there may be one for each of several Pythons."""
    text = (ROOT / name).read_text().replace(" \\\n   ", "")
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        requirement = REQUIREMENT.fullmatch(line)
        assert requirement, f"{name}: {line[:120]}"
        found.setdefault(requirement["name"], set()).add(requirement["version"])
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_has_a_version_and_hashes(name: str) -> None:
    """A lock file holds `name==version` with hashes and nothing else: no option, no address, no package without one."""
    assert locked(name)


def test_the_locks_agree() -> None:
    """All of them can be installed into one environment."""
    full = locked("requirements-full.lock")
    for name in LOCKS:
        assert {key: value for key, value in locked(name).items() if full.get(key) != value} == {}


def test_nothing_that_builds_is_needed_to_run() -> None:
    """What makes the package has a lock of its own, and a server's environment needs none of it."""
    assert locked("requirements.lock").keys() & BUILDERS == set()
    assert {"editables", "hatchling"} <= locked("requirements-build.lock").keys()


def test_aiohttp_has_its_mend() -> None:
    """Neither the lock nor the floor of the package lets an aiohttp in that has CVE-2026-69244, mended in 3.14.3."""
    [version] = locked("requirements.lock")["aiohttp"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [floor] = [entry.partition(">=")[2] for entry in project["dependencies"] if entry.startswith("aiohttp")]
    for found in (version, floor):
        assert tuple(map(int, found.split("."))) >= (3, 14, 3)


def test_installing_demands_hashes() -> None:
    """`make` installs from lock files with --require-hashes alone, and renews them with the `uv` that they name."""
    makefile = (ROOT / "Makefile").read_text()
    installs = [line for line in makefile.splitlines() if "$(PIP)" in line]
    assert [line for line in installs if "--require-hashes" not in line and "--no-deps" not in line] == []
    assert "pip install --quiet uv" not in makefile
    assert "uv" in locked("requirements-full.lock")
