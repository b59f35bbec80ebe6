"""What the tests of the reference share: the two servers that the golden file names, and a real one."""

import asyncio

import pytest
from server import Server as Process

from page_elements import read
from postroad.reference.servers import ApiServer


@pytest.fixture(scope="session")
def servers():
    """Return a server in each region."""
    return [ApiServer("us", "https://cdp.example.com"), ApiServer("eu", "https://cdp-eu.example.com")]


@pytest.fixture(scope="module")
def page(servers):
    """The page as elements."""
    return read(servers)


@pytest.fixture(scope="module")
def api(process):
    """The URL of a running server."""
    return process.url


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    """A running server, which stops well in the end. It takes the tests for a proxy of many clients: made-up calls have
    made-up keys, and one client that tries so many waits for its answers.
    """
    with asyncio.Runner() as runner:
        server = Process(tmp_path_factory.mktemp("api"), '[destinations.events]\ntype = "file"\n')
        text = server.config.read_text()
        server.config.write_text(text.replace("[server]\n", '[server]\ntrusted_proxies = ["127.0.0.1"]\n', 1))
        runner.run(server.start())
        yield server
        assert runner.run(server.stop()) == 0
