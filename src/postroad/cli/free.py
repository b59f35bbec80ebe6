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


def check_free(server: Server, roles: Sequence[str], clock: Clock) -> None:
    """Raise `ConfigError` when an address that these roles listen on can't be bound."""
    wanted = {"ingest": ("bind", server.bind), "delivery": ("admin_bind", server.admin_bind)}
    for role in roles:
        asyncio.run(_check(*wanted[role], clock))


async def _check(setting: str, address: Address, clock: Clock) -> None:
    until = clock.monotonic() + PATIENCE
    while (error := _bind(address)) is not None:
        in_use = error.errno == errno.EADDRINUSE
        if in_use and clock.monotonic() < until:
            await clock.sleep(LOOK_EVERY)
            continue
        why = "is in use by another program; stop that one or set another" if in_use else str(error.strerror or error)
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
