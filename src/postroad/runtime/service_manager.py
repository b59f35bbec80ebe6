"""What a service owes its machine: systemd (or its like) is told when it is ready and stops, and no core is dumped."""

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import Sequence
from typing import Final

from postroad.clock import Clock
from postroad.config import Address
from postroad.web.local import local

SOCKET: Final = "NOTIFY_SOCKET"
"""Environment variable: the Unix datagram socket of whoever wants to know; one that begins with @ has no file."""

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"

_LOOK_EVERY: Final = 0.1


def notify(state: str) -> None:
    """Tell the service manager, if there is one. That it can't be told is no reason to stop."""
    place = os.environ.get(SOCKET, "")
    if not place:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
        end.setblocking(False)  # noqa: FBT003 - the library's signature
        end.sendto(f"{state}\n".encode(), f"\0{place[1:]}" if place.startswith("@") else place)


async def tell_when_listening(addresses: Sequence[Address], clock: Clock) -> None:
    """Tell the service manager that the service is ready once all addresses take connections.

    They do while a full disk keeps events out, too: that heals, and is no reason to start again.
    """
    if not os.environ.get(SOCKET):
        return
    for address in map(local, addresses):
        while not await _listens(address):
            await clock.sleep(_LOOK_EVERY)
    notify(READY)


async def _listens(address: Address) -> bool:
    try:
        _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError:
        return False
    writer.close()
    return True


def no_core_dumps() -> None:
    """Keep this process and its children from leaving their memory, with keys and events in it, on a disk."""
    with contextlib.suppress(OSError, ValueError):  # a limit of 0 that is there already may not be set again
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
