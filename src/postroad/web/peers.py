"""Who counts as one peer, for what a peer may have or do."""

from ipaddress import IPv6Address
from typing import Final

_HOST_BITS: Final = 64


def peer_of(address: str) -> str:
    """Return the peer that an IP address belongs to: itself, or for IPv6 its /64, which is what one customer gets.

    What is no IP address is a peer of its own.
    """
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> _HOST_BITS << _HOST_BITS)}/64"
