"""The reference of the destinations is what their tables say."""

from pathlib import Path

import golden_files
from postroad import registry
from postroad.reference.destinations import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "destinations.md"


def test_the_committed_page() -> None:
    """The committed page is what the types say today."""
    golden_files.check(PAGE, reference({name: registry.load(name) for name in registry.DESTINATIONS}))
