"""The reference of the command line is what `--help` says."""

from pathlib import Path

import golden_files
from postroad.cli.program import VERBS
from postroad.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_committed_page():
    """The committed page is what the verbs say today."""
    golden_files.check(PAGE, reference())


def test_every_verb_has_a_section():
    """No verb is left out of the page."""
    text = reference()
    assert [verb for verb in VERBS if f"## postroad {verb}" not in text] == []
