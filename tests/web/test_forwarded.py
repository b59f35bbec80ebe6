"""Who called, as proxies tell it: believed of those that are trusted, and of nobody else."""

from ipaddress import ip_network

import pytest

from postroad.ingest.forwarded import caller_of, host_name

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("::1/128")]

CASES = {
    "no proxy": ("203.0.113.9", {"host": "a.test"}, ("203.0.113.9", "a.test", "http")),
    "a stranger's headers": (
        "203.0.113.9",
        {"host": "a.test", "x-forwarded-for": "1.2.3.4", "x-forwarded-host": "b.test", "x-forwarded-proto": "https"},
        ("203.0.113.9", "a.test", "http"),
    ),
    "X-Forwarded": (
        "10.0.0.1",
        {"host": "a", "x-forwarded-for": "1.2.3.4", "x-forwarded-host": "b.test", "x-forwarded-proto": "https"},
        ("1.2.3.4", "b.test", "https"),
    ),
    "a chain of our proxies": (
        "10.0.0.1",
        {"host": "a", "x-forwarded-for": "6.6.6.6, 1.2.3.4, 10.0.0.7"},
        ("1.2.3.4", "a", "http"),
    ),
    "Forwarded": (
        "::1",
        {"host": "a", "forwarded": 'for=6.6.6.6, for="[2001:db8::1]:4711";proto=https;host="b.test:8443"'},
        ("2001:db8::1", "b.test:8443", "https"),
    ),
    "nonsense": (
        "10.0.0.1",
        {"host": "a", "x-forwarded-for": "unknown", "x-forwarded-proto": "gopher"},
        ("unknown", "a", "http"),
    ),
    "empty": ("10.0.0.1", {"host": "a", "forwarded": "", "x-forwarded-for": ","}, ("10.0.0.1", "a", "http")),
}


@pytest.mark.parametrize(("peer", "headers", "expected"), CASES.values(), ids=CASES)
def test_who_called(peer, headers, expected):
    """The last address that is no trusted proxy, the host and the scheme the nearest proxy names."""
    scope = {
        "client": (peer, 1),
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    assert caller_of(scope, TRUSTED) == expected


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.Test", "a.test"), ("a.test:443", "a.test"), ("a.test.", "a.test"), ("[::1]:80", "::1"), ("", "")],
)
def test_a_host_without_its_port(host, name):
    """Case, port, brackets and the root's dot make no difference."""
    assert host_name(host) == name
