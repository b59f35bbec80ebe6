"""What every test of delivery stands on: a quiet log, and a bench."""

from collections.abc import AsyncIterator

import pytest
from bench import Bench
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def logged():
    """What was logged; printing tracebacks for people would take longer than the tests."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A bench; what runs on it is stopped at the end."""
    bench = Bench()
    yield bench
    await bench.stop()
