"""What a proxy in front of us says of the request that it got: believed only of the proxies that are trusted.

They say it in `X-Forwarded-For`, `-Proto` and `-Host`, or in `Forwarded` (RFC 7239). One of the two is believed, as it
was configured: a proxy that writes one hands the other on as the client sent it. Of a chain the last entries are
nearest to us: the client is the last address that is not a trusted proxy itself. What is longer than any chain of
proxies needs, or no list of the RFC's, says nothing.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from postroad.web.answers import Scope
from postroad.web.peers import peer_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Family = Literal["x-forwarded", "forwarded"]

_LONGEST: Final = 4096
"""Characters of a header that are believed: some eighty proxies."""

_PAIR: Final = re.compile(  # possessive: a character is looked at once
    r"""[ \t]*+(?:([!#$%&'*+.^_`|~0-9a-z-]++)=(?:"((?:[^"\\]|\\.)*+)"|([^\s",;]*+))[ \t]*+)?""", re.IGNORECASE
)
_ESCAPED: Final = re.compile(r"\\(.)")
_PORT: Final = re.compile(r":\d*$")


class Proxies(NamedTuple):
    """Which proxies are believed, and in which headers."""

    networks: Sequence[Network] = ()
    family: Family = "x-forwarded"

    def trust(self, address: str) -> bool:
        """Tell whether an address is that of a trusted proxy."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)


NO_PROXIES: Final = Proxies()


class Caller(NamedTuple):
    """Who called, under which name of ours and how. `host` has its port if it came with one."""

    address: str
    host: str
    scheme: str


def caller_of(scope: Scope, proxies: Proxies) -> Caller:
    """Return who called, seen through the trusted proxies."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        headers[name] = headers[name] + b"," + value if name in headers and b"forwarded" in name else value
    peer = scope["client"][0] if scope.get("client") else ""
    direct = Caller(peer, _text(headers, b"host"), scope["scheme"])
    if not proxies.trust(peer):
        return direct
    if proxies.family == "forwarded":
        hops = forwarded_elements(_believable(headers, b"forwarded"))
        addresses = [_PORT.sub("", hop["for"]).strip("[]") for hop in hops if "for" in hop]
        host, scheme = hops[-1].get("host", ""), hops[-1].get("proto", "")
    else:
        addresses = [part.strip() for part in _believable(headers, b"x-forwarded-for").split(",") if part.strip()]
        host, scheme = (_last(_believable(headers, name)) for name in (b"x-forwarded-host", b"x-forwarded-proto"))
    scheme = scheme.lower()
    return Caller(
        _nearest(addresses, proxies) or peer,
        host or direct.host,
        scheme if scheme in ("http", "https") else direct.scheme,
    )


def peer_behind(scope: Scope, proxies: Proxies) -> str:
    """Return the peer that called, seen through the trusted proxies; empty where they don't say which."""
    address = caller_of(scope, proxies).address
    return "" if proxies.trust(address) else peer_of(address)


def forwarded_elements(header: str) -> Sequence[Mapping[str, str]]:
    """Return what each proxy says in a `Forwarded` header, the nearest last: its parameters by name, in lower case.

    One without any stands for a header that is empty or breaks the syntax. Takes time linear in the header.
    """
    hops: list[dict[str, str]] = [{}]
    place = 0
    while (pair := _PAIR.match(header, place)) is not None:
        name, quoted, bare = pair.groups()
        if name is not None:
            if name.lower() in hops[-1]:
                break
            hops[-1][name.lower()] = _ESCAPED.sub(r"\1", quoted) if quoted is not None else bare
        if pair.end() == len(header):
            return hops
        separator, place = header[pair.end()], pair.end() + 1
        if separator == ",":
            hops.append({})
        elif separator != ";":
            break
    return ({},)


def host_name(host: str) -> str:
    """Return a host without its port, in the form in which host names are compared."""
    return _PORT.sub("", host).strip("[]").rstrip(".").lower()


def _nearest(addresses: Sequence[str], proxies: Proxies) -> str:
    for address in reversed(addresses):
        if not proxies.trust(address):
            return address
    return addresses[0] if addresses else ""


def _believable(headers: Mapping[bytes, bytes], name: bytes) -> str:
    said = _text(headers, name)
    return said if len(said) <= _LONGEST else ""


def _last(said: str) -> str:
    return said.rpartition(",")[2].strip()


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")
