"""What a connection must be unless its address says otherwise, so that a password is not handed to whoever answers.

| libpq's parameter | ours | when |
|---|---|---|
| `sslmode` | `verify-full` | the database is not on this machine (loopback, or a socket file) |
| `sslrootcert` | what this machine trusts | `sslmode` is `verify-full`, and there is no `~/.postgresql/root.crt` |
| `require_auth` | `scram-sha-256` | there is a password, and libpq is 16 or newer |

What stands in the address, or in libpq's own variables (`PGSSLMODE`, `PGSSLROOTCERT`, `PGREQUIREAUTH`), is left alone.
A service file is not read: what it says of these is overruled, so write that into the address.
"""

import ipaddress
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

_VARIABLES: Final[Mapping[str, str]] = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "require_auth": "PGREQUIREAUTH",
}
_REQUIRE_AUTH: Final = 16_00_00
"""The version of libpq that first knew `require_auth`, and `sslrootcert=system`."""

VERIFIED: Final = "verify-full"


class Machine(NamedTuple):
    """What decides beside the address: the environment, libpq's version as a number, and whether there is a file of
    passwords, and one of trusted certificates, in libpq's own places. `trusted` is the machine's file of certificates.
    """

    environ: Mapping[str, str]
    libpq: int
    has_passwords: bool = False
    has_root: bool = False
    trusted: str = ""


def this_machine(libpq: int) -> Machine:
    """Return what decides here."""
    home = Path(os.environ.get("HOME") or "/")
    passwords = Path(os.environ.get("PGPASSFILE") or home / ".pgpass")
    trusted = ssl.get_default_verify_paths().cafile or ""
    return Machine(os.environ, libpq, passwords.exists(), (home / ".postgresql" / "root.crt").exists(), trusted)


def demands(parts: Mapping[str, Any], machine: Machine) -> dict[str, str]:
    """Return the parameters that are added to an address, given by its parts."""
    said = {name: parts.get(name) or machine.environ.get(variable, "") for name, variable in _VARIABLES.items()}
    added = {}
    if not said["sslmode"] and not is_here(parts, machine.environ):
        added["sslmode"] = VERIFIED
    trusted = machine.trusted or ("system" if machine.libpq >= _REQUIRE_AUTH else "")
    if (
        VERIFIED in {said["sslmode"], added.get("sslmode")}
        and not (said["sslrootcert"] or machine.has_root)
        and trusted
    ):
        added["sslrootcert"] = trusted
    password = parts.get("password") or machine.environ.get("PGPASSWORD") or parts.get("passfile")
    if not said["require_auth"] and machine.libpq >= _REQUIRE_AUTH and (password or machine.has_passwords):
        added["require_auth"] = "scram-sha-256"
    return added


def in_force(parts: Mapping[str, Any], machine: Machine) -> str:
    """Say in a few words how a connection is protected."""
    environ, added = machine.environ, demands(parts, machine)
    held = {name: parts.get(name) or environ.get(variable) or added.get(name) for name, variable in _VARIABLES.items()}
    told = [f"{name}={value}" for name, value in held.items() if value]
    if not held["sslmode"]:
        told.insert(0, "on this machine, TLS if the server offers it")
    if not held["require_auth"]:
        old = machine.libpq < _REQUIRE_AUTH
        told.append("any way to log in: libpq is older than 16" if old else "any way to log in: there is no password")
    return ", ".join(told)


def is_here(parts: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    """Tell whether every host of an address is this machine: loopback, or a socket file."""
    named = parts.get("hostaddr") or environ.get("PGHOSTADDR") or parts.get("host")
    if not named and (parts.get("service") or environ.get("PGSERVICE")):
        return False  # its file may name any
    return all(map(_is_here, str(named or environ.get("PGHOST", "")).split(",")))


def _is_here(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
