"""What all tests share: the option that rewrites golden files."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `pytest --update-golden`: golden files are rewritten instead of compared; read the diff afterwards."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files instead of comparing")
