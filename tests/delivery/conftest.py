"""What every test of delivery stands on: a quiet log."""

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def logged():
    """What was logged; printing tracebacks for people would take longer than the tests."""
    with capture_logs() as entries:
        yield entries
