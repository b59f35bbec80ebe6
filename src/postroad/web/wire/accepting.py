"""Taking connections in: as many as there is room for. Who has let us wait longest makes room for who comes.

An address without room for one more would be shut by whoever opens connections and sends nothing. So nothing is
refused for the number of connections alone, unless every other one is being answered.
"""

import asyncio
import gc
import itertools
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from postroad.web.peers import peer_of
from postroad.web.wire.connection import Connection
from postroad.web.wire.places import Guest, Places

_BACKLOG: Final = 2048
_AT_ONCE: Final = 4
"""Connections that are taken in before others get their turn."""
_LOOK_AT_NEW: Final = 64
"""Connections after which garbage is looked for among what is new. Left to itself, the collector counts what is made
less what is dropped: where thousands come as thousands go, it looks at all the new ones at once, 35 ms long.
"""
_LOOK_AT_YOUNG: Final = 10
"""So many times as many after which it is looked for among what stayed, too."""
_PAUSE: Final = 0.1
"""Seconds in which nobody is taken in, after the system had no descriptor for one more."""


class Door(Protocol):
    """What is told of those who come."""

    def made_room(self, reason: str, count: int, address: str) -> None:
        """So many connections were closed for one more from this address: by which bound, or `busy` for itself."""

    def timed_out(self) -> None:
        """A TLS handshake took too long."""


class Accepting:
    """Takes in connections at the sockets that it is given, until `close`. They must listen without blocking.

    `make` makes what speaks on each; `places` are left by whoever is told that one is over. A TLS handshake may take
    `handshake` seconds.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make: Callable[[], Connection],
        places: Places,
        door: Door,
        *,
        tls: ssl.SSLContext | None,
        handshake: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._make = make
        self._places = places
        self._door = door
        self._tls, self._handshake = tls, handshake
        self._entering: set[asyncio.Task[None]] = set()
        self._closed = False
        self._came = itertools.count(1)
        self._watch()

    def close(self) -> None:
        """Take in nobody more; whoever has not shaken hands yet is gone."""
        if not self._closed:
            self._closed = True
            for listening in self._sockets:
                self._loop.remove_reader(listening)
                listening.close()
        for task in self._entering:
            task.cancel()

    def _watch(self) -> None:
        if not self._closed:
            for listening in self._sockets:
                self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connected, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return  # nobody more, or gone again
            except OSError:  # no descriptor, or no memory, for it: it waits in the backlog
                self._let_go("descriptors", self._places.longest_waiting(), "")
                self._wait()
                return
            connected.setblocking(False)  # noqa: FBT003  # the standard library's own
            if not self._find_room(connected, address[0]):
                return

    def _find_room(self, connected: socket.socket, address: str) -> bool:
        """Take one in, and tell whether others may follow."""
        peer = peer_of(address)
        bound, leaving = self._places.crowded_by(peer, address)
        if bound and not leaving:
            self._door.made_room("busy", 1, address)
            connected.close()
            if bound == "total":
                self._wait()
            return bound != "total"
        self._let_go(bound, leaving, address)
        connection = self._make()
        self._places.enter(peer, connection)
        task = self._loop.create_task(self._enter(connection, connected))
        connection.entering = task
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)
        looks, rest = divmod(next(self._came), _LOOK_AT_NEW)
        if not rest:
            gc.collect(0 if looks % _LOOK_AT_YOUNG else 1)
        return True

    def _let_go(self, bound: str, leaving: Sequence[Guest], address: str) -> None:
        if leaving:
            self._door.made_room(bound, len(leaving), address)
        for each in leaving:
            self._places.leave(each)
            each.make_room()

    def _wait(self) -> None:
        for listening in self._sockets:
            self._loop.remove_reader(listening)
        self._loop.call_later(_PAUSE, self._watch)

    async def _enter(self, connection: Connection, connected: socket.socket) -> None:
        began = self._loop.time()
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                connected,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake if self._tls else None,
            )
        except OSError:  # it went, or sent what is no TLS; so does the socket
            if self._loop.time() - began >= self._handshake:
                self._door.timed_out()
        finally:
            connection.entering = None
            if not connection.made:
                self._places.leave(connection)


async def listen(host: str, port: int) -> Sequence[socket.socket]:
    """Listen at every address of a host. Raises `OSError` when that can't be done."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listening = socket.socket(family, kind, protocol)
            sockets.append(listening)
            listening.setblocking(False)  # noqa: FBT003  # the standard library's own
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            _bind(listening, address)
            listening.listen(_BACKLOG)
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


def _bind(listening: socket.socket, address: tuple[object, ...]) -> None:
    try:
        listening.bind(address)
    except OSError as error:
        told = f"can't listen at {address[0]} port {address[1]}: {(error.strerror or str(error)).lower()}"
        raise OSError(error.errno, told) from None
