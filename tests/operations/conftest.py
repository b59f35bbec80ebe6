"""Regions that are operated on."""

import pytest
from operated import Operated


@pytest.fixture
async def us(tmp_path):
    """A region with dead letters and rejections."""
    operated = await Operated(tmp_path).fill()
    yield operated
    await operated.rejections.close()


@pytest.fixture
async def eu(tmp_path):
    """Another one, with a destination of its own."""
    operated = await Operated(tmp_path, "eu", "lake").fill()
    yield operated
    await operated.rejections.close()
