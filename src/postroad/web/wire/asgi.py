"""An ASGI app (3, HTTP only) as what answers exchanges."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

import structlog

from postroad.contract.refusals import Error
from postroad.web.answers import Header, Scope, new_request_id, refuse
from postroad.web.wire.exchange import Exchange, Gone

App = Callable[[Any, Any, Any], Awaitable[None]]
"""Takes a scope, and what receives and sends; frameworks give their types other names."""

HOLD: Final = "postroad.hold"
"""The extension that an app calls before it holds an answer back on purpose: the connection may then make room."""


class AsgiBridge:
    """Begins each exchange with a task that runs the app. An answer is sent once it is whole."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.running: dict[Exchange, asyncio.Task[None]] = {}
        """What has not ended, answered or not."""

    def begin(self, exchange: Exchange) -> None:
        """Start the app for this exchange."""
        self.running[exchange] = asyncio.get_running_loop().create_task(self._run(exchange))

    async def _run(self, exchange: Exchange) -> None:
        call = _Call(exchange)
        try:
            await self._app(scope_of(exchange), call.receive, call.send)
        except Exception:  # noqa: BLE001 -- whatever it is, the client gets an answer and the log its trace
            structlog.get_logger("postroad.web").exception("a request failed", path=exchange.path.decode("latin-1"))
            call.fail()
        finally:
            exchange.give_up()  # unless it was answered
            del self.running[exchange]


def scope_of(exchange: Exchange) -> Scope:
    """Return the scope of an exchange, as ASGI has it."""
    head, peer, path = exchange.head, exchange.peer, exchange.path.decode("ascii", "replace")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": head.version,
        "method": head.method,
        "scheme": peer.scheme,
        "path": unquote(path) if "%" in path else path,
        "raw_path": exchange.path,
        "query_string": exchange.query,
        "root_path": "",
        "headers": exchange.headers,
        "client": peer.client,
        "server": peer.server,
        "extensions": {HOLD: exchange.hold},
    }


class _Call:
    """What one run of the app reads and writes."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._all_read = False
        self._status = 0
        self._headers: list[Header] = []
        self._parts: list[bytes] = []

    async def receive(self) -> dict[str, Any]:
        """Return the next piece of the body; behind it, that the client is gone."""
        if self._all_read:
            await self._exchange.left()
            return {"type": "http.disconnect"}
        try:
            body, self._all_read = await self._exchange.piece()
        except Gone:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": not self._all_read}

    async def send(self, message: dict[str, Any]) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message.get("headers", ()))
            return
        self._parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            self._exchange.answer(self._status, self._headers, b"".join(self._parts))

    def fail(self) -> None:
        """Answer that there is a bug, if nothing was answered."""
        answer = refuse(Error.INTERNAL, "a bug in Postroad; its log has the trace")
        headers = ((b"content-type", answer.media), (b"x-request-id", new_request_id()))
        self._exchange.answer(answer.status, headers, answer.body)
