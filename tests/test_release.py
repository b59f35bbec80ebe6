"""The version that the package says is the one that CHANGELOG.md tells of."""

import re
from datetime import date
from pathlib import Path

from postroad import __version__

CHANGELOG = (Path(__file__).parents[1] / "CHANGELOG.md").read_text()


def test_the_changelog_has_this_version() -> None:
    """Below what is not released stands this version with its day, and older ones below it."""
    first, *released = re.findall(r"^## \[(.+?)\](?: - (\S+))?$", CHANGELOG, re.MULTILINE)
    assert first == ("Unreleased", "")
    assert released[0][0] == __version__
    days = [date.fromisoformat(day) for _, day in released]
    assert days == sorted(days, reverse=True)


def test_each_version_says_each_sort_once() -> None:
    """A version has a section of what was added, changed and fixed, each once."""
    for section in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[2:]:
        sorts = re.findall(r"^### (\w+)$", section, re.MULTILINE)
        assert sorts
        assert len(sorts) == len(set(sorts))
