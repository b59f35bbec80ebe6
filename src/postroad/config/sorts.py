"""Sorts of values beyond TOML's own: how each is read, written, and called in the reference.

A setting wears its sort in its type: `timeout: Annotated[Duration, Meta(description="…")] = 30.0`. Plugins'
settings use the same ones. Readers raise `ValueError` with a sentence that starts with "must be" and
never repeats the value.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from postroad.config import units
from postroad.config.keys import key_hash

LONGEST_KEY: Final = 256

_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_WRITE_KEY: Final = re.compile(r"[!-9;-~]+")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Sort(NamedTuple):
    """How the values of one sort are called, read from TOML, and written as texts for people."""

    name: str
    read: Callable[[object], Any]
    write: Callable[[Any], str]
    secret: bool = False


class Address(NamedTuple):
    """A host (name, IPv4 or IPv6 without brackets) and a port to listen on; port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(value: object) -> Address:
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        known = _is_ip(host) and ":" in host
    else:
        known = _is_host(host.lower())
    if not (colon and known and port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) < 1 << 16):  # noqa: PLR2004 - the digits of a port
        raise ValueError("must be a host and a port such as 127.0.0.1:8080 or [::1]:8080")
    return Address(host, int(port))


def _host(value: object) -> str:
    host = value.lower() if isinstance(value, str) else ""
    if not _is_host(host) and not _is_ip(host.strip("[]")):
        raise ValueError("must be a host name or an address, without https:// and without a port")
    return host.strip("[]")


def _network(value: object) -> str:
    try:
        return str(ipaddress.ip_network(value)) if isinstance(value, str) else _no_network()
    except ValueError:
        return _no_network()


def _no_network() -> str:
    raise ValueError("must be an address or a network such as 127.0.0.1 or 10.0.0.0/8") from None


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be the path of a file or a folder")
    return Path(value)


def _keys(value: object) -> frozenset[str]:
    keys = _texts(value)
    if not keys or not all(len(key) <= LONGEST_KEY and _WRITE_KEY.fullmatch(key) for key in keys):
        raise ValueError("must be a write key or a list of them: ASCII without spaces and colons, at most 256 long")
    return frozenset(key_hash(key) for key in keys)


def _key_hashes(value: object) -> frozenset[str]:
    digests = [digest.lower() for digest in _texts(value)]
    if not digests or not all(_SHA256.fullmatch(digest) for digest in digests):
        raise ValueError("must be the SHA-256 of a write key (64 hexadecimal digits) or a list of them")
    return frozenset(digests)


def _texts(value: object) -> list[str]:
    texts: list[Any] = value if isinstance(value, list) else [value]
    return texts if all(isinstance(text, str) for text in texts) else []


def _is_host(host: str) -> bool:
    return len(host) <= 253 and bool(_HOST.fullmatch(host))  # noqa: PLR2004 - RFC 1035


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _write_path(path: Path) -> str:
    return str(path) if path.is_absolute() else f"./{path}"


def _hidden(_value: object) -> str:
    return ""


Duration = Annotated[float, Sort("duration", units.read_duration, units.write_duration)]
"""Seconds."""
Size = Annotated[int, Sort("size", units.read_size, units.write_size)]
"""Bytes."""
BindAddress = Annotated[Address, Sort("address", _address, str)]
"""Where to listen."""
HostName = Annotated[str, Sort("host", _host, str)]
"""A host in lower case, without a port; IPv6 without brackets."""
Network = Annotated[str, Sort("network", _network, str)]
"""A network in CIDR form."""
FilePath = Annotated[Path, Sort("path", _path, _write_path)]
"""A path; relative ones start at the current directory."""
WRITE_KEYS: Final = Sort("text or list of texts", _keys, _hidden, secret=True)
WRITE_KEY_HASHES: Final = Sort("text or list of texts", _key_hashes, _hidden, secret=True)
WriteKeys = Annotated[frozenset[str], WRITE_KEYS]
"""Write keys, kept as their SHA-256 in hexadecimal."""
WriteKeyHashes = Annotated[frozenset[str], WRITE_KEY_HASHES]
"""SHA-256 of write keys in hexadecimal."""
