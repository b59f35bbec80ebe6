"""Serving one address: its connections, their deadlines, and a stop that leaves no answer owed."""

import asyncio
import ssl
from collections.abc import Mapping
from email.utils import formatdate
from typing import Final, NamedTuple

import structlog

from postroad.web.wire.accepting import Accepting, listen
from postroad.web.wire.asgi import App, AsgiBridge
from postroad.web.wire.connection import Connection
from postroad.web.wire.exchange import Begin, Peer
from postroad.web.wire.places import Bounds, Places
from postroad.web.wire.policy import Rule
from postroad.web.wire.tally import WireTally

KEEP_ALIVE: Final = 75.0
"""Seconds an idle connection is kept: longer than the 60 s that load balancers usually keep theirs, so
that it is they who close it and never a request that crosses our closing."""
_HANDSHAKE: Final = 10.0
"""Seconds that a TLS handshake may take, or the patience if that is less."""
_BOUNDS: Final = Bounds(512, 256)
_LOOK_EVERY: Final = 1.0
_LOOK_AT_THE_END: Final = 0.01
_EXPIRE_AT_ONCE: Final = 20
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
    bounds: Bounds = _BOUNDS


class Untold:
    """What the log has not been told of yet: anybody can make it say something, at any rate."""

    def __init__(self) -> None:
        self._count, self._last = 0, ""
        self._details: Mapping[str, str] = {}

    def note(self, count: int, address: str, **details: str) -> None:
        """Add so many, the last of them from this address."""
        self._count += count
        self._last, self._details = address, details

    def tell(self, sentence: str, address: str, since_start: Mapping[str, int]) -> None:
        """Log it in one line, if there was anything."""
        if self._count:
            logger = structlog.get_logger("postroad.web").bind(address=address, **self._details)
            logger.warning(sentence, count=self._count, last_from=self._last, since_start=dict(since_start))
            self._count = 0


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
        self._places = Places(listening.bounds)
        self._tally.open = lambda: len(self._places)
        self._refused, self._crowded = Untold(), Untold()

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then write the answers that are owed, at most for the grace, and return.

        Raises `OSError` when the address can't be bound.
        """
        where = self._listening
        accepting = Accepting(
            await listen(where.host, where.port),
            lambda: Connection(self),
            self._places,
            self,
            tls=where.tls,
            handshake=min(_HANDSHAKE, where.patience),
        )
        looking = [asyncio.create_task(self._keep_the_time()), asyncio.create_task(self._keep_telling())]
        try:
            await stop.wait()
            accepting.close()
            await self._end()
        finally:
            for task in looking:
                task.cancel()
            accepting.close()
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
        self._places.leave(connection)

    def refused(self, rule: Rule, peer: Peer, request_id: bytes) -> None:
        """Count what was refused."""
        self._tally.refused[rule.name] += 1
        self._refused.note(1, peer.client[0] if peer.client else "", last_request_id=request_id.decode())

    # What accepting them calls.

    def made_room(self, reason: str, count: int, address: str) -> None:
        """Count those that were closed for others."""
        self._tally.made_room[reason] += count
        self._crowded.note(count, address)

    def timed_out(self) -> None:
        """Count a handshake that took too long."""
        self._tally.cut_off["handshake"] += 1

    def tell(self) -> None:
        """Log, in a line for each, what was refused and closed for others since the last time."""
        for untold, sentence, counts in (
            (self._refused, "requests that are no HTTP we take were refused", self._tally.refused),
            (self._crowded, "connections were closed to make room for others", self._tally.made_room),
        ):
            untold.tell(sentence, self._tally.address, counts)

    # Inside.

    async def _keep_the_time(self) -> None:
        """Set the date, and close, for ever, what has taken too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(_LOOK_EVERY, self.patience / 2, self.keep_alive / 2))
            self.date = formatdate(usegmt=True).encode()
            now = loop.time()
            expired = 0
            for connection in list(self._connections):
                if connection.deadline <= now or connection.write_deadline <= now:
                    reason = connection.expire()
                    if reason:
                        self._tally.cut_off[reason] += 1
                    expired += 1
                    if expired % _EXPIRE_AT_ONCE == 0:
                        await asyncio.sleep(0)

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
