"""Who called, as proxies tell it: believed of those that are trusted, and of nobody else."""

from ipaddress import ip_network
from time import process_time

import pytest

from postroad.ingest.forwarded import Proxies, caller_of, forwarded_elements, host_name

NETWORKS = [ip_network("10.0.0.0/8"), ip_network("::1/128")]
X_FORWARDED, FORWARDED = Proxies(NETWORKS), Proxies(NETWORKS, "forwarded")

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
    "Forwarded, which was not asked for": (
        "10.0.0.1",
        {"host": "a", "forwarded": "for=6.6.6.6;host=evil.test", "x-forwarded-for": "1.2.3.4"},
        ("1.2.3.4", "a", "http"),
    ),
    "nonsense": (
        "10.0.0.1",
        {"host": "a", "x-forwarded-for": "unknown", "x-forwarded-proto": "gopher"},
        ("unknown", "a", "http"),
    ),
    "empty": ("10.0.0.1", {"host": "a", "forwarded": "", "x-forwarded-for": ","}, ("10.0.0.1", "a", "http")),
    "endless": (
        "10.0.0.1",
        {"host": "a", "x-forwarded-for": "10.0.0.1," * 6_000, "x-forwarded-host": "b" * 5_000},
        ("10.0.0.1", "a", "http"),
    ),
}

FORWARDED_CASES = {
    "Forwarded": (
        "::1",
        {"host": "a", "forwarded": 'for=6.6.6.6, for="[2001:db8::1]:4711";proto=https;host="b.test:8443"'},
        ("2001:db8::1", "b.test:8443", "https"),
    ),
    "a stranger's": ("203.0.113.9", {"host": "a", "forwarded": "for=1.2.3.4;host=b"}, ("203.0.113.9", "a", "http")),
    "X-Forwarded, which was not asked for": (
        "10.0.0.1",
        {"host": "a", "forwarded": "for=1.2.3.4", "x-forwarded-for": "6.6.6.6", "x-forwarded-host": "evil.test"},
        ("1.2.3.4", "a", "http"),
    ),
    "without quotes that should be there": (
        "10.0.0.1",
        {"host": "a", "forwarded": "For=[2001:db8::1]:80 ; Host=b.test:8443; PROTO=HTTPS"},
        ("2001:db8::1", "b.test:8443", "https"),
    ),
    "a comma, a semicolon and a quote inside quotes": (
        "10.0.0.1",
        {"host": "a", "forwarded": 'for=1.2.3.4;by="a,b;c\\"d";host=b.test'},
        ("1.2.3.4", "b.test", "http"),
    ),
    "empty elements": ("10.0.0.1", {"host": "a", "forwarded": ", ;,for=1.2.3.4"}, ("1.2.3.4", "a", "http")),
    "empty": ("10.0.0.1", {"host": "a", "forwarded": "", "x-forwarded-for": ","}, ("10.0.0.1", "a", "http")),
    "a quote that doesn't end": (
        "10.0.0.1",
        {"host": "a", "forwarded": 'for=1.2.3.4, for="6.6.6.6'},
        ("10.0.0.1", "a", "http"),
    ),
    "a parameter twice": (
        "10.0.0.1",
        {"host": "a", "forwarded": "for=1.2.3.4;for=6.6.6.6"},
        ("10.0.0.1", "a", "http"),
    ),
    "endless": ("10.0.0.1", {"host": "a", "forwarded": "for=1.2.3.4," * 5_000}, ("10.0.0.1", "a", "http")),
}


def seen(peer, headers, proxies):
    """Return who called, as these headers have it."""
    headers = [(name.encode(), value.encode()) for name, value in headers]
    return caller_of({"client": (peer, 1), "scheme": "http", "headers": headers}, proxies)


@pytest.mark.parametrize(("peer", "headers", "expected"), CASES.values(), ids=CASES)
def test_who_called(peer, headers, expected):
    """The last address that is no trusted proxy, the host and the scheme the nearest proxy names."""
    assert seen(peer, headers.items(), X_FORWARDED) == expected


@pytest.mark.parametrize(("peer", "headers", "expected"), FORWARDED_CASES.values(), ids=FORWARDED_CASES)
def test_who_called_by_rfc_7239(peer, headers, expected):
    """The same from `Forwarded`, where that was configured; what breaks its syntax says nothing."""
    assert seen(peer, headers.items(), FORWARDED) == expected


@pytest.mark.parametrize(
    ("name", "proxies", "values"),
    [
        ("x-forwarded-for", X_FORWARDED, ["1.2.3.4", "10.0.0.7"]),
        ("forwarded", FORWARDED, ["for=1.2.3.4", "for=10.0.0.7"]),
    ],
)
def test_a_header_in_several_lines(name, proxies, values):
    """A proxy may add a line of its own: all of them are one list."""
    assert seen("10.0.0.1", [("host", "a"), *((name, value) for value in values)], proxies).address == "1.2.3.4"


@pytest.mark.parametrize(
    "header", ["a" * 60_000, " " * 60_000, '"' * 60_000, 'a="' + "\\" * 60_000, "a=" * 30_000, "for=x;" * 10_000]
)
def test_reading_forwarded_takes_linear_time(header):
    """60,000 characters of anything are read in a blink, even without the bound on their number."""
    began = process_time()
    forwarded_elements(header)
    seen("10.0.0.1", [("forwarded", header), ("x-forwarded-for", header)], FORWARDED)
    assert process_time() - began < 1


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.Test", "a.test"), ("a.test:443", "a.test"), ("a.test.", "a.test"), ("[::1]:80", "::1"), ("", "")],
)
def test_a_host_without_its_port(host, name):
    """Case, port, brackets and the root's dot make no difference."""
    assert host_name(host) == name
