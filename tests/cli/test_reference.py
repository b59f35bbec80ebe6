"""The reference of the command line is what `--help` says."""

import os
from pathlib import Path

from postroad.cli.program import VERBS
from postroad.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_committed_page():
    """The committed page is what the verbs say today."""
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(reference())
    assert PAGE.read_text() == reference(), "run this test with UPDATE_GOLDEN=1"


def test_every_verb_has_a_section():
    """No verb is left out of the page."""
    text = reference()
    assert [verb for verb in VERBS if f"## postroad {verb}" not in text] == []
