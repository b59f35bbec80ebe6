"""What a proxy in front of us says of the request that it got: believed only of the proxies that are trusted.

`Forwarded` (RFC 7239) counts before `X-Forwarded-For`, `-Proto` and `-Host`. Of a chain the last entries are
nearest to us: the client is the last address that is not a trusted proxy itself.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from postroad.web.answers import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PAIR: Final = re.compile(r'\s*([a-z]+)=("[^"]*"|[^;,]*)', re.IGNORECASE)
_PORT: Final = re.compile(r":\d+$")


class Caller(NamedTuple):
    """Who called, under which name of ours and how. `host` has its port if it came with one."""

    address: str
    host: str
    scheme: str


def caller_of(scope: Scope, trusted: Sequence[Network]) -> Caller:
    """Return who called, seen through the trusted proxies."""
    headers = dict(scope["headers"])
    peer = scope["client"][0] if scope.get("client") else ""
    direct = Caller(peer, _text(headers.get(b"host", b"")), scope["scheme"])
    if not _is_trusted(peer, trusted):
        return direct
    if b"forwarded" in headers:
        return _from_forwarded(_text(headers[b"forwarded"]), direct, trusted)
    addresses = [part.strip() for part in _text(headers.get(b"x-forwarded-for", b"")).split(",") if part.strip()]
    return Caller(
        _nearest(addresses, trusted) or peer,
        _last(headers.get(b"x-forwarded-host", b"")) or direct.host,
        _scheme(_last(headers.get(b"x-forwarded-proto", b"")), direct),
    )


def host_name(host: str) -> str:
    """Return a host without its port, in the form in which host names are compared."""
    return _PORT.sub("", host).strip("[]").rstrip(".").lower()


def _from_forwarded(header: str, direct: Caller, trusted: Sequence[Network]) -> Caller:
    hops = [{name.lower(): value.strip(' "') for name, value in _PAIR.findall(hop)} for hop in header.split(",")]
    addresses = [_PORT.sub("", hop["for"]).strip("[]") for hop in hops if "for" in hop]
    last = hops[-1]
    return Caller(
        _nearest(addresses, trusted) or direct.address,
        last.get("host") or direct.host,
        _scheme(last.get("proto", ""), direct),
    )


def _nearest(addresses: Sequence[str], trusted: Sequence[Network]) -> str:
    for address in reversed(addresses):
        if not _is_trusted(address, trusted):
            return address
    return addresses[0] if addresses else ""


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def _scheme(said: str, direct: Caller) -> str:
    return said.lower() if said.lower() in ("http", "https") else direct.scheme


def _last(header: bytes) -> str:
    return _text(header).rpartition(",")[2].strip()


def _text(header: bytes) -> str:
    return header.decode("latin-1")
