"""Real servers for real clients: one that answers like Customer.io, one that is always strict, one that is full."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from modes import Full, Postroad, TwoRegions
from official import install_node_clients
from pages import browsing
from server import Server

if TYPE_CHECKING:
    from playwright.async_api import Browser


@contextlib.asynccontextmanager
async def running(server: Server) -> AsyncIterator[None]:
    """The server runs while the context lasts."""
    try:
        await server.start()
        yield
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lenient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postroad]:
    """Real status codes only for those who ask."""
    server = Postroad(tmp_path_factory.mktemp("lenient"))
    async with running(server):
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postroad]:
    """Real status codes for everybody."""
    server = Postroad(tmp_path_factory.mktemp("strict"), strict="always")
    async with running(server):
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def full(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Full]:
    """503 for everybody."""
    server = Full(tmp_path_factory.mktemp("full"))
    async with running(server):
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def regions(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TwoRegions]:
    """Two regions side by side."""
    server = TwoRegions(tmp_path_factory.mktemp("regions"))
    async with running(server):
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(node_clients: None) -> AsyncIterator["Browser"]:  # noqa: ARG001 - its bundle must be there
    """One Chromium for all pages."""
    async with browsing() as started:
        yield started


@pytest.fixture(scope="session")
def node_clients() -> None:
    """The Node and browser packages are installed."""
    install_node_clients()
