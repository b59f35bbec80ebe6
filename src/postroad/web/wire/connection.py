"""One connection: requests in, answers out in the same order, and a bound on everything that can take long."""

import asyncio
from collections.abc import Sequence
from math import inf
from typing import Final, Protocol, cast

from postroad.web.answers import Header, new_request_id
from postroad.web.wire.exchange import Begin, Exchange, Peer
from postroad.web.wire.policy import TIME, Rule
from postroad.web.wire.reading import Reader
from postroad.web.wire.writing import CONTINUE, response

_LINGER: Final = 2.0
"""Seconds in which a client may read its last answer before what it still sends cuts that off (RFC 9112, 9.6)."""
_PROGRESS: Final = 16 * 1024
"""Bytes of an answer that a client has to take within the patience, or else the rest of it."""
_PACE: Final = 0.02
"""Seconds between two large reads of what is only thrown away: what nobody wants is in no hurry."""
_PIECE: Final = 16 * 1024
"""Bytes of an answer that are written at once: of what is written and not taken, TLS holds more than twice as much."""
_THROWN_AWAY: Final = 16 << 20
"""Bytes of a body that may still come behind its answer; for more, the connection is closed."""
_HELD: Final = 64 * 1024
"""Bytes that are held of what nobody has asked for yet: of a body, or of the next requests."""


class House(Protocol):
    """What a connection needs of its server."""

    patience: float
    """Seconds a request may take to arrive, and an answer to be taken."""
    keep_alive: float
    """Seconds an idle connection is kept."""
    date: bytes
    stopping: bool

    @property
    def begin(self) -> Begin:
        """What takes up each exchange."""

    def entered(self, connection: "Connection") -> None:
        """A connection was made."""

    def left(self, connection: "Connection") -> None:
        """It is over."""

    def refused(self, rule: Rule, peer: Peer, request_id: bytes) -> None:
        """Something was refused."""


class Connection(asyncio.Protocol):
    """Reads a request, has it answered, and reads the next one: never two at a time.

    What a client sends ahead waits in the socket. `deadline` is the loop's time at which the server calls `expire`.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._loop = asyncio.get_running_loop()
        self._reader = Reader()
        self._exchange: Exchange | None = None
        self._data, self._at = b"", 0
        self._pumping = self._paused = self._pacing = self._lingering = self._ended = self._over = False
        self._since = self._loop.time()
        self.deadline = self._since + house.patience
        self.write_deadline = inf
        self._owed = 0
        self._rest = memoryview(b"")
        self._close_then = False
        self.made = False
        """Whether it was ever connected: before, it may be shaking hands."""
        self.entering: asyncio.Task[None] | None = None
        """What connects it."""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self.made = True
        self._transport.set_write_buffer_limits(high=1)  # so that it is told whenever a client doesn't read
        self._secure = transport.get_extra_info("ssl_object") is not None
        self._peer = Peer(
            _address(transport.get_extra_info("peername")),
            _address(transport.get_extra_info("sockname")),
            "https" if self._secure else "http",
        )
        self._house.entered(self)
        if self._house.stopping:
            self._end()

    def data_received(self, data: bytes) -> None:
        """Read on, or keep what came until its turn."""
        if not self._lingering:
            self._data = data if self._at == len(self._data) else self._data[self._at :] + data
            self._at = 0
            self._pump()
        exchange = self._exchange
        unwanted = self._lingering or (exchange is not None and exchange.answered and not self._reader.whole)
        if unwanted and len(data) >= _HELD:
            self._pace()

    def eof_received(self) -> bool:
        """The client sends no more: it still gets every answer to what was whole."""
        self._ended = True
        if self._lingering or self._secure:  # TLS has no half of a connection
            return False
        exchange = self._exchange
        # Nothing owed: it closes, and an exchange whose body is cut off learns by `connection_lost`.
        return self._at < len(self._data) or (exchange is not None and self._reader.whole)

    def pause_writing(self) -> None:
        """The client doesn't take what it is owed: it gets no more until it does, for a while."""
        self.write_deadline = self._loop.time() + self._house.patience
        self._owed = self._unsent()

    def resume_writing(self) -> None:
        """All that was written was taken."""
        self.write_deadline = inf
        self._write_on()
        if self._rest:
            return
        if self._close_then:
            self._close()
        else:
            self._pump()

    def connection_lost(self, _error: Exception | None) -> None:
        """It is over. What refers to each other is taken apart: collections of cycles are seldom."""
        self._house.left(self)
        self._lingering = self._over = True
        self.deadline = self.write_deadline = inf
        self._reader.close()
        self._rest = memoryview(b"")
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lose()

    # What the exchange calls.

    def go_on(self) -> None:
        """Send `100 Continue`."""
        if not self._closing():
            self._transport.write(CONTINUE)

    def taken(self) -> None:
        """A piece of the body was taken."""
        if self._paused or self._at < len(self._data):
            self._pump()

    def send(self, exchange: Exchange, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Send the answer, and go on with the next request unless this was the last."""
        if self._exchange is not exchange or self._closing():
            return
        # Whoever waits for `100` may now send the body or the next request, and nobody can tell which.
        closing = (exchange.waits and not exchange.whole) or self._reader.left > _THROWN_AWAY
        closing = closing or not exchange.head.keep_alive or self._house.stopping
        self._write(status, headers, body, exchange.head.method, closing=closing)
        exchange.pieces.clear()
        if closing:
            self._close()
        else:
            self._pump()

    def give_up(self, exchange: Exchange) -> None:
        """End without an answer."""
        if self._exchange is exchange:
            self._end()

    # What the server calls.

    @property
    def idle(self) -> bool:
        """Whether nothing is owed: no answer, nor the rest of one."""
        is_owed = self._exchange is not None and not self._exchange.answered
        return not is_owed and self._unsent() == 0

    @property
    def waits_since(self) -> float:
        """Since when the client has let us wait: for the rest of a request, the next one, or to take an answer.

        `inf` while it waits for us, unless for an answer that is held back on purpose.
        """
        exchange = self._exchange
        if exchange is None or exchange.answered or exchange.held or not self._reader.whole:
            return self._since
        return inf

    def make_room(self) -> None:
        """Close at once, for another connection."""
        if self.made:
            self._transport.abort()
        elif self.entering is not None:
            self.entering.cancel()

    def stop(self) -> None:
        """Close as soon as nothing is owed."""
        if self.idle:
            self._end()

    def expire(self) -> str:
        """Close, because a deadline is over; returns what took too long, nothing where that is usual."""
        now, owed = self._loop.time(), self._unsent()
        if self.write_deadline <= now:
            if owed > self._owed - _PROGRESS:
                self._transport.abort()
                return "answer"
            self.write_deadline, self._owed = now + self._house.patience, owed
            return ""
        if self._lingering or self._closing():
            if owed and self.write_deadline < inf:
                self.deadline = now + _LINGER
            else:
                self._transport.abort()
            return ""
        self.deadline = now + _LINGER
        if not self._reader.begun:
            self._end()
            return ""
        self._turn_away(TIME, new_request_id())
        return "request"

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # Inside.

    def _pump(self) -> None:
        """Read what has come, as far as its turn is."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._may_read() and self._at < len(self._data):
                self._read()
        finally:
            self._pumping = False
        if self._lingering:
            return
        if self._ended and self._at == len(self._data) and (self._exchange is None or not self._reader.whole):
            self._end()
        self._balance()

    def _may_read(self) -> bool:
        """Whether the next bytes belong to a request whose turn it is; makes room for one where the last is over."""
        if self._lingering or self._closing():
            return False
        exchange = self._exchange
        if exchange is None:
            return self.write_deadline == inf
        if not self._reader.whole:
            return exchange.answered or not exchange.pieces or sum(map(len, exchange.pieces)) <= _HELD
        if not exchange.answered:
            return False
        self._exchange = None
        self._reader.next()
        self._since = self._loop.time()
        self.deadline = self._since + self._house.keep_alive
        return self.write_deadline == inf

    def _read(self) -> None:
        reader = self._reader
        if not reader.begun:
            self._since = self._loop.time()
            self.deadline = self._since + self._house.patience
        self._at = reader.read(self._data, self._at)
        if reader.refused is not None:
            self._refuse(reader.refused)
            return
        exchange = self._exchange
        if exchange is None:
            if reader.head is None:
                return
            exchange = self._exchange = Exchange(reader.head, self._peer, self)
            self._fill(exchange)
            self._house.begin(exchange)
        else:
            self._fill(exchange)
            exchange.wake()

    def _fill(self, exchange: Exchange) -> None:
        reader = self._reader
        if reader.pieces:
            if not exchange.answered:
                exchange.pieces += reader.pieces
            exchange.waits = False
            reader.pieces.clear()
        if reader.whole:
            exchange.whole = True
            self.deadline = inf

    def _balance(self) -> None:
        """Stop the client where too much would have to be held, or a piece of a body waits to be taken: many large
        bodies at once then come in turns.
        """
        exchange = self._exchange
        waits = exchange is not None and not (exchange.answered or self._reader.whole) and bool(exchange.pieces)
        stopped = self._pacing or waits or len(self._data) - self._at > _HELD
        if stopped != self._paused and not self._closing():
            self._paused = stopped
            if stopped:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _pace(self) -> None:
        """Read the next of what is thrown away a little later."""
        if not self._pacing:
            self._pacing = True
            self._loop.call_later(_PACE, self._go_on_reading)
            self._balance()

    def _go_on_reading(self) -> None:
        self._pacing = False
        self._balance()

    def _refuse(self, rule: Rule) -> None:
        request_id = new_request_id()
        self._house.refused(rule, self._peer, request_id)
        self._turn_away(rule, request_id)

    def _turn_away(self, rule: Rule, request_id: bytes) -> None:
        exchange = self._exchange
        if exchange is None or not exchange.answered:
            answer = rule.answer()
            headers = ((b"content-type", answer.media), (b"x-request-id", request_id), *answer.headers)
            method = "" if exchange is None else exchange.head.method
            self._write(answer.status, headers, answer.body, method, closing=True)
        if exchange is not None:
            exchange.answered = True
            exchange.lose()
        self._close(abruptly=self._secure)

    def _write(self, status: int, headers: Sequence[Header], body: bytes, method: str, *, closing: bool) -> None:
        date = self._house.date
        head, content = response(status, headers, body, date=date, method=method, closing=closing, secure=self._secure)
        self._transport.write(head + content[:_PIECE])
        self._rest = memoryview(content)[_PIECE:]
        self._write_on()

    def _write_on(self) -> None:
        while self._rest and self.write_deadline == inf and not self._transport.is_closing():
            piece, self._rest = self._rest[:_PIECE], self._rest[_PIECE:]
            self._transport.write(piece)

    def _close(self, *, abruptly: bool = False) -> None:
        """Send no more; wait a little until the client has read, then end."""
        self._data, self._at = b"", 0
        if self._rest:
            self._close_then = True
            return
        if self._ended or self._closing():
            self._end()
            return
        if not self._transport.can_write_eof() and not abruptly:
            self._end()
            return
        self._lingering = True
        self.deadline = self._loop.time() + _LINGER
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._balance()

    def _end(self) -> None:
        """Close once what was written is sent: at most once, or TLS transports break."""
        if not self._over:
            self._over = True
            self.deadline = self._loop.time() + _LINGER
            self._transport.close()

    def _closing(self) -> bool:
        return self._over or self._transport.is_closing()

    def _unsent(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._rest)


def _address(found: object) -> tuple[str, int] | None:
    if isinstance(found, tuple) and len(found) >= 2:  # noqa: PLR2004  # IPv6 has four
        return str(found[0]), int(found[1])
    return None
