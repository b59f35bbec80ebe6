"""What the tests of destinations share: surroundings, a far side, and golden files."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import golden_files
from postroad.clock import ManualClock
from postroad.destinations.base import Surroundings
from postroad.testing.receiver import Receiver

GOLDEN = Path(__file__).parent.parent / "golden" / "destinations"


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at 2023-11-14T22:13:20Z."""
    return ManualClock()


@pytest.fixture
def surroundings(tmp_path: Path, clock: ManualClock) -> Surroundings:
    """Surroundings in a folder of the test's own that allow loopback."""
    return Surroundings(
        id="crm",
        region="us",
        folder=tmp_path,
        clock=clock,
        timeout=5.0,
        allow_private=True,
        write=print,
    )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A running receiver that answers 200 until told otherwise."""
    async with Receiver() as running:
        yield running


@pytest.fixture
def golden() -> Callable[[str, bytes], None]:
    """Compare bytes with a golden file of the destinations."""
    return lambda name, found: golden_files.check(GOLDEN / name, found)
