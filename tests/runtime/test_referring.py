"""Where the reference page says that the API is."""

import pytest

from postroad.config.loading import load_document
from postroad.web.reference import servers_of

BIND = {"bind": "0.0.0.0:8080"}
TLS = {"tls": {"cert": "c", "key": "k"}}
PROXY = {"trusted_proxies": ["10.0.0.1"]}


@pytest.mark.parametrize(
    ("server", "hosts", "urls"),
    [
        ({}, [], ["http://127.0.0.1:8080"]),
        (TLS, [], ["https://127.0.0.1:8080"]),
        ({}, ["cdp.test"], ["http://cdp.test:8080"]),
        (TLS, ["cdp.test", "b.test"], ["https://cdp.test:8080", "https://b.test:8080"]),
        (PROXY, ["cdp.test"], ["https://cdp.test"]),
        ({}, ["2001:db8::1"], ["http://[2001:db8::1]:8080"]),
    ],
)
def test_where_clients_send(server, hosts, urls):
    """A region is at its hosts, or where this machine reaches the server; behind a proxy at the usual port."""
    config = load_document({"server": {**BIND, **server}, "regions": {"us": {"hosts": hosts}}}, {})
    assert [(found.region, found.url) for found in servers_of(config)] == [("us", url) for url in urls]
