"""The page that says where to change what names files that are there, and few of them a change."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "where-to-change.md"
ROWS = [row.split("|")[1:4] for row in PAGE.read_text().splitlines() if row.startswith("| ")][1:]


def files(cell):
    """Return the files and folders that a cell names."""
    named = [name for name in re.findall(r"`([^`\s]+)`", cell) if "/" in name or name.endswith(".py")]
    return [ROOT / name if name.startswith("tests/") else ROOT / "src" / "postroad" / name for name in named]


def test_every_file_that_it_names_exists():
    """A stranger who follows the page finds every file of it."""
    assert len(ROWS) == 10
    for wish, where, proof in ROWS:
        assert files(where), wish
        missing = [str(file) for file in files(where) + files(proof) if not file.exists()]
        assert not missing, wish


def test_no_change_touches_many_files():
    """What people want changed is in one place, and in four files at most."""
    assert max(len(files(where)) for _, where, _ in ROWS) <= 4
