"""Uvicorn's HTTP protocol with the bounds it lacks: the size of the head, and the time a request may take to arrive."""

import asyncio
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_BYTES: Final = 64 * 1024
"""The request line and the headers together, or what follows a chunked body; looked at after each read, so that a
last read may go over it.
"""

_PIPELINED: Final = 1000
"""Requests that may wait on one connection for the one before them: far more than any client sends ahead."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `waiting_since` is the loop's time since which it owes us the rest of a request.

    It is None while we owe an answer, and between requests, when Uvicorn's keep-alive timer watches.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.waiting_since: float | None = self.loop.time()
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse a head, or what follows a chunked body, that has grown too large."""
        if self.waiting_since is None:
            self.waiting_since = self.loop.time()
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request line began, maybe right behind another request."""
        if self.waiting_since is None:
            self.waiting_since = self.loop.time()
        if len(self.pipeline) > _PIPELINED:
            self.transport.abort()
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """A piece of the body came: the application bounds it."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self.waiting_since = None
        self._head_bytes = 0
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]  # Uvicorn declares None, asyncio reads a bool
        """Keep a half-closed connection open for as long as it is owed an answer."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True


async def close_stalled(state: ServerState, patience: float) -> None:
    """Close, for ever, every connection whose request has taken longer than `patience` seconds to arrive."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(1.0, patience / 2))
        deadline = loop.time() - patience
        for connection in list(state.connections):
            since = getattr(connection, "waiting_since", None)
            if since is not None and since < deadline:
                connection.transport.close()
