"""The reference of the destinations is what their tables say."""

import os
from pathlib import Path

from postroad import registry
from postroad.destinations.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "destinations.md"


def test_the_committed_page() -> None:
    """The committed page is what the types say today."""
    text = reference({name: registry.load(name) for name in registry.DESTINATIONS})
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "run this test with UPDATE_GOLDEN=1"
