"""Serving one address: its connections, their deadlines, and a stop that leaves no answer owed."""

import asyncio
import ssl
from email.utils import formatdate
from typing import Final, NamedTuple

import structlog

from postroad.web.wire.asgi import App, AsgiBridge
from postroad.web.wire.connection import Connection
from postroad.web.wire.exchange import Begin, Peer
from postroad.web.wire.policy import Rule
from postroad.web.wire.tally import WireTally

KEEP_ALIVE: Final = 75.0
"""Seconds an idle connection is kept: longer than the 60 s that load balancers usually keep theirs, so
that it is they who close it and never a request that crosses our closing."""
_BACKLOG: Final = 2048
_LOOK_EVERY: Final = 1.0
_LOOK_AT_THE_END: Final = 0.01
_TELL_EVERY: Final = 10.0
"""Seconds between two lines in the log about what was refused: anybody can make it say something, at any rate."""


class Listening(NamedTuple):
    """Where to listen and how long to wait, in seconds. Without `tls` it is plain HTTP."""

    host: str
    port: int
    patience: float
    grace: float
    tls: ssl.SSLContext | None = None
    keep_alive: float = KEEP_ALIVE


class Wire:
    """One address. `serve` runs it until told to stop."""

    def __init__(self, app: App, listening: Listening, tally: WireTally) -> None:
        """`app` is an ASGI app, HTTP only: it answers."""
        self._bridge = AsgiBridge(app)
        self.patience, self.keep_alive = listening.patience, listening.keep_alive
        self.date = formatdate(usegmt=True).encode()
        self.stopping = False
        self._listening = listening
        self._tally = tally
        self._connections: set[Connection] = set()
        self._untold = 0
        self._last_peer = ""

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then write the answers that are owed, at most for the grace, and return.

        Raises `OSError` when the address can't be bound.
        """
        where, loop = self._listening, asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Connection(self),
            where.host,
            where.port,
            ssl=where.tls,
            backlog=_BACKLOG,
            ssl_handshake_timeout=where.patience if where.tls else None,
        )
        looking = [asyncio.create_task(self._keep_the_time()), asyncio.create_task(self._keep_telling())]
        try:
            await stop.wait()
            server.close()
            await self._end()
        finally:
            for task in looking:
                task.cancel()
            server.close()
            for connection in list(self._connections):
                connection.abort()
            await asyncio.sleep(0)  # each learns of it before the loop may end

    # What a connection calls.

    @property
    def begin(self) -> Begin:
        """What takes up each exchange."""
        return self._bridge.begin

    def entered(self, connection: Connection) -> None:
        """A connection was made."""
        self._connections.add(connection)

    def left(self, connection: Connection) -> None:
        """It is over."""
        self._connections.discard(connection)

    def refused(self, rule: Rule, peer: Peer) -> None:
        """Count what was refused."""
        self._tally.refused[rule.name] += 1
        self._untold += 1
        self._last_peer = peer.client[0] if peer.client else ""

    def tell(self) -> None:
        """Log, in one line, what was refused since the last time."""
        if self._untold:
            structlog.get_logger("postroad.web").warning(
                "requests that are no HTTP we take were refused",
                address=self._tally.address,
                count=self._untold,
                last_from=self._last_peer,
                since_start=dict(self._tally.refused),
            )
            self._untold = 0

    # Inside.

    async def _keep_the_time(self) -> None:
        """Set the date, and close, for ever, what has taken too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(_LOOK_EVERY, self.patience / 2, self.keep_alive / 2))
            self.date = formatdate(usegmt=True).encode()
            now = loop.time()
            for connection in list(self._connections):
                if connection.deadline <= now or connection.write_deadline <= now:
                    reason = connection.expire()
                    if reason:
                        self._tally.cut_off[reason] += 1

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY)
            self.tell()

    async def _end(self) -> None:
        """Answer what is owed, and close what waits for nothing."""
        self.stopping = True
        for connection in list(self._connections):
            connection.stop()
        for _ in range(round(self._listening.grace / _LOOK_AT_THE_END)):
            if not self._owing():
                break
            await asyncio.sleep(_LOOK_AT_THE_END)
        running = list(self._bridge.running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=self._listening.grace)

    def _owing(self) -> bool:
        return not all(connection.idle for connection in self._connections)
