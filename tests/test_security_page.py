"""The page that says what is protected names tests and files that are there, and a proof for each protection."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
PROVED, OPEN = PAGE.split("## What is not protected")
ROWS = [row for row in PROVED.splitlines() if row.startswith("| ") and not row.endswith("| shown by |")]
NAMES = sorted(set(re.findall(r"`([\w./-]+\.(?:py|md)(?:::\w+)?)`", PAGE)))


@pytest.mark.parametrize("name", NAMES)
def test_what_it_names_exists(name):
    """Each file that it names is there, and so is each test in its file."""
    path, _, test = name.partition("::")
    file = ROOT / path if path.startswith(("tests/", "bench/")) else ROOT / "src" / "postroad" / path
    assert file.exists()
    assert not test or re.search(rf"\bdef {test}\(", file.read_text())


@pytest.mark.parametrize("row", ROWS)
def test_each_protection_has_a_proof(row):
    """A protection that no test shows is a hope: it names at least one."""
    cells = row.strip("| ").split(" | ")
    assert len(cells) == 3
    assert re.search(r"`tests/[\w/]+\.py", cells[2])


def test_it_has_each_kind_of_attacker():
    """Seven kinds of attacker, a table each, and what is not protected."""
    assert PROVED.count("| shown by |") == PROVED.count("\n## ") == 7
    assert OPEN.count("\n| ") > 5


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_it_is_found(page):
    """README and CONTRIBUTING lead to it, and to how a hole is reported."""
    text = (ROOT / page).read_text()
    assert "(docs/security.md)" in text
    assert "(SECURITY.md)" in text
