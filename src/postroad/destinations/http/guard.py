"""The guard that keeps destinations away from private addresses (server-side request forgery).

The check is made where a socket is made: every connection passes through `open_socket` with the very
address it is about to call, whether a name was resolved to it or a URL spelled it in any notation.
Nothing is looked up again after the check, so a name that changes its address in between (DNS
rebinding) gains nothing. Of a name with public and private addresses only the public ones are called.

Two kinds of addresses need more than a list of ranges. What clouds tell a machine about itself, its credentials too,
they tell at a few addresses, some of them public ones: nobody may call these, whatever a destination is allowed. And a
public address may be this machine's own, behind which is what listens here for nobody else.
"""

import ipaddress
import socket
from typing import Any, Final

_V4: Final = (
    ("0.0.0.0/8", "unspecified"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by a carrier's customers"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "for documentation"),
    ("192.88.99.0/24", "reserved"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "for benchmarks"),
    ("198.51.100.0/24", "for documentation"),
    ("203.0.113.0/24", "for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
)
_V6: Final = (
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "private"),
    ("ff00::/8", "multicast"),
    ("2001::/23", "reserved"),
    ("2001:db8::/32", "for documentation"),
    ("2002::/16", "a tunnel (6to4)"),
    ("3fff::/20", "for documentation"),
)
METADATA: Final = "a cloud's metadata service"
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # nearly all of them
            "169.254.170.2",  # AWS: the credentials of a container, and of a pod
            "169.254.170.23",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",  # Google
            "168.63.129.16",  # Azure
            "192.0.0.192",  # Oracle
            "100.100.100.200",  # Alibaba
            "169.254.0.23",  # Tencent
        ),
    )
)
OWN: Final = "this machine's own"
NO_ADDRESS: Final = "not an IP address"
# Their last four bytes are the IPv4 address that is called in the end.
_EMBEDDING: Final = ("::ffff:0:0/96", "64:ff9b::/96")
_PUBLIC_V6: Final = "2000::/3"


class PrivateAddress(OSError):
    """A connection to an address that is not public was refused; `reason` says what it is instead."""

    def __init__(self, reason: str) -> None:
        # One text for all reasons: of several equal errors the connector raises the first as it is.
        super().__init__("the address is not public")
        self.reason = reason


def forbidden(address: str) -> str | None:
    """Return what keeps this IP address from being public ("loopback"), or None when it may be called."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return NO_ADDRESS
    if ip in _METADATA:
        return METADATA
    if isinstance(ip, ipaddress.IPv6Address):
        if any(ip in ipaddress.IPv6Network(network) for network in _EMBEDDING):
            return forbidden(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        special = next((word for network, word in _V6 if ip in ipaddress.IPv6Network(network)), None)
        return special or (None if ip in ipaddress.IPv6Network(_PUBLIC_V6) else "reserved")
    return next((word for network, word in _V4 if ip in ipaddress.IPv4Network(network)), None)


def open_socket(address: tuple[Any, ...]) -> socket.socket:
    """Make the socket for one entry of `getaddrinfo`; raises `PrivateAddress` when it may not be called."""
    family, kind, protocol, _, target = address
    reason = forbidden(target[0]) or (OWN if _is_own(family, target) else None)
    if reason is not None:
        raise PrivateAddress(reason)
    return socket.socket(family, kind, protocol)


def open_private_socket(address: tuple[Any, ...]) -> socket.socket:
    """Make the socket also for an address that is not public; raises `PrivateAddress` for what nobody may call."""
    family, kind, protocol, _, target = address
    if forbidden(target[0]) == METADATA:
        raise PrivateAddress(METADATA)
    return socket.socket(family, kind, protocol)


def _is_own(family: int, target: tuple[Any, ...]) -> bool:
    """Tell whether packets to this address stay on this machine: it would then send them from there. Sends none."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            return bool(ipaddress.ip_address(probe.getsockname()[0]) == ipaddress.ip_address(target[0]))
    except (OSError, ValueError):  # no way there
        return False
