"""A fresh clone: it says what it is doing, and the quick tests need nothing but what they install."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

COLLECT = """
import sys
import pytest
refused = set(sys.argv[1].split())
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis"]))
"""

PYTHON = """#!/bin/sh
# Stands for Python: making an environment makes one in which everything succeeds.
[ "$1" = --version ] && echo "Python 3.99.0"
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python"
    printf '#!/bin/sh\\necho "postroad $*"\\n' >"$3/bin/postroad" && chmod +x "$3/bin/postroad"
fi
exit 0
"""


def _locked(name: str) -> set[str]:
    lines = (ROOT / name).read_text().splitlines()
    return {re.split("[=<> ;]", line)[0].replace("_", "-").lower() for line in lines if line[:1].isalnum()}


def test_collecting_needs_nothing_of_the_full_lock() -> None:
    """Every test file can be imported with only what `make test` installs."""
    full = _locked("requirements-full.lock") - _locked("requirements-dev.lock")
    assert {"psycopg", "pyarrow"} < full
    refused = {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if all(owner.replace("_", "-").lower() in full for owner in owners)
    }
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, " ".join(refused | {"psycopg", "pyarrow", "obstore", "playwright"})],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_serving_tells_each_step(tmp_path: Path) -> None:
    """`make serve` has a line before each step that may take long, and then starts the server; a second time it only
    starts it.
    """
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-build.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    said = []
    for _ in range(2):
        done = subprocess.run(
            ["make", "--no-print-directory", f"PYTHON={python}", "serve"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.environ["PATH"]},
        )
        said.append(done.stdout.splitlines())
    first, second = said
    assert [line.partition(" ")[0] for line in first] == ["Making", "Installing", "Installing", "postroad"]
    assert "Python 3.99.0" in first[0]
    assert second == ["postroad serve"]
