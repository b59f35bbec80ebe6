"""The two addresses of a running server, as raw sockets reach them."""

import asyncio

import pytest
from server import KEY
from server import Server as Process
from sockets import Address


@pytest.fixture(scope="session")
def process(tmp_path_factory):
    """A running server, which stops well in the end."""
    with asyncio.Runner() as runner:
        server = Process(tmp_path_factory.mktemp("wire"), '[destinations.events]\ntype = "file"\n')
        runner.run(server.start())
        yield server
        assert runner.run(server.stop()) == 0


@pytest.fixture(scope="session")
def token(process):
    """The admin token."""
    return (process.data / "admin-token").read_text().strip().encode()


@pytest.fixture(params=["ingest", "admin"])
def address(request, process, token):
    """Each address in turn."""
    if request.param == "ingest":
        body = b'{"userId":"u","event":"Email Opened","properties":{"email_id":"1"}}'
        return Address("ingest", process.port, b"/v1/track", KEY.encode(), body)
    return Address("admin", process.admin_port, b"/api/rejections/retry", token, b'{"region":"us","ids":[]}')
