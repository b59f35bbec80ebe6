"""What the tests of the reference share: the two servers that the golden file names, and a real one."""

import asyncio

import pytest
from server import Server as Process

from postroad.reference.servers import Server


@pytest.fixture(scope="session")
def servers():
    """Return a server in each region."""
    return [Server("us", "https://cdp.example.com"), Server("eu", "https://cdp-eu.example.com")]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """The URL of a running server, which stops well in the end."""
    with asyncio.Runner() as runner:
        server = Process(tmp_path_factory.mktemp("api"), '[destinations.events]\ntype = "file"\n')
        runner.run(server.start())
        yield server.url
        assert runner.run(server.stop()) == 0
