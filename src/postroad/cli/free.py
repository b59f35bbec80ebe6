"""Whether the data folder and the addresses to listen on are free: asked before anything is started, so that the answer
is one sentence.
"""

import asyncio
import errno
import socket
from collections.abc import Sequence

from postroad.clock import Clock
from postroad.config import Address, Config, Server
from postroad.errors import ConfigError, StoreLocked
from postroad.storage.files import is_locked
from postroad.storage.layout import region_files

PATIENCE = 3.0
"""Seconds that a server which is just stopping gets to let go."""
_HIGH = 65_000
LOOK_EVERY = 0.2
"""Seconds from one look to the next."""


def check_unlocked(config: Config, roles: Sequence[str], clock: Clock) -> None:
    """Raise `StoreLocked` when another process writes what these roles would write."""
    for name in config.regions:
        files = region_files(config.server.data_dir, name)
        locks = {"ingest": files.log_lock, "delivery": files.ledger_lock}
        for role in roles:
            lock = locks[role]
            until = clock.monotonic() + PATIENCE
            while is_locked(lock):
                if clock.monotonic() >= until:
                    raise StoreLocked(f"{lock}: another Postroad process is writing here; stop it first")
                asyncio.run(clock.sleep(LOOK_EVERY))


def check_free(server: Server, roles: Sequence[str]) -> None:
    """Raise `ConfigError` when an address that these roles listen on can't be bound: at once, since a server of this
    data folder lets its addresses go before its files.
    """
    wanted = {"ingest": ("bind", server.bind), "delivery": ("admin_bind", server.admin_bind)}
    for role in roles:
        setting, address = wanted[role]
        error = _bind(address)
        if error is not None:
            why = str(error.strerror or error)
            if error.errno == errno.EADDRINUSE:
                other = f"{address.host}:{address.port + 10 if address.port < _HIGH else address.port - 10}"
                why = (
                    f'is in use by another program; stop that one, or set another: `{setting} = "{other}"` under'
                    f" [server] in postroad.toml, or POSTROAD__SERVER__{setting.upper()}={other}"
                )
            raise ConfigError([f"server.{setting}: the address {address} {why}"])


def _bind(address: Address) -> OSError | None:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
    except OSError as error:
        return error
    return None
