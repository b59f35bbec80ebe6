"""A further semantic email event is one more row of the table: the rest follows, and its golden files are recorded."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from postroad.contract.email import Kind

ROOT = Path(__file__).parents[1]
TABLE = Path("src/postroad/contract/email.py")
STRUCT = '''
class DeferredProperties(Properties, frozen=True, kw_only=True):
    """Of an Email Deferred: also why."""

    deferred_reason: Annotated[str | None, Meta(description="The reason.", examples=["greylisted"])] = None

'''
ROW = f"""
    DEFERRED = _Row(
        number={max(Kind) + 1},
        event="Email Deferred",
        means="The receiving server asked to come again later.",
        advice="Send it once.",
        properties=DeferredProperties,
        aliases=("Email Deferral",),
    )
"""
DEPENDENT = (
    *("tests/contract", "tests/destinations", "tests/reference", "tests/conformance/test_destinations.py"),
    *("tests/properties/test_decode.py", "tests/delivery/test_transform.py", "tests/delivery/test_privacy.py"),
)
SERVED = ("tests/destinations", "tests/conformance/test_destinations.py")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules", ".hypothesis")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources, the tests and the pages."""
    for part in ("src", "tests", "docs"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=LEFT_OUT)
    for file in (ROOT / "pyproject.toml", *ROOT.glob("*.md")):
        shutil.copy(file, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


def add_the_row(path: Path) -> None:
    """Write the further row below the last, and the struct of its properties above the table."""
    text = path.read_text()
    [table] = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == "_Row"]
    [kinds] = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == "Kind"]
    last = [node for node in kinds.body if isinstance(node, ast.Assign)][-1]
    lines = text.splitlines(keepends=True)
    lines.insert(last.end_lineno or 0, ROW.lstrip("\n"))
    lines.insert(table.lineno - 1, f"{STRUCT.strip()}\n\n\n")
    path.write_text("".join(lines))


def run(folder: Path, *arguments: str, **environment: str) -> None:
    """Run tests of the copy; all of them have to pass."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr


def digests(folder: Path) -> dict[str, bytes]:
    """Return a digest of each file of the copy."""
    files = (path for part in ("src", "tests", "docs") for path in (folder / part).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).digest() for path in files}


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_further_event_is_one_more_row(checkout: Path) -> None:
    """With a row more, everything that depends on the events passes its tests, every destination states and sends the
    event, and but for the table nothing was edited: golden files of the new event were added, one for each that another
    event has, and those that list all events were written anew.
    """
    add_the_row(checkout / TABLE)
    before = digests(checkout)
    run(checkout, *DEPENDENT, "-k", "golden or committed", UPDATE_GOLDEN="1")
    run(checkout, *DEPENDENT, "-m", "not full")
    run(checkout, *SERVED, "-m", "full and not alone")
    after = digests(checkout)
    assert {path for path in before if after.get(path) != before[path]} == {
        "docs/reference/destinations.md",
        "tests/golden/destinations/webhook_batch/batch.http",
        "tests/golden/reference/openapi.json",
    }
    of_another = {path for path in before if path.startswith("tests/golden/") and "opened" in path}
    assert len(of_another) > 20
    assert after.keys() - before.keys() == {path.replace("opened", "deferred") for path in of_another}
