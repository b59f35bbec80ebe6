"""The ingest address: a plain ASGI callable, because everything it does is on the hot path."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

import structlog

from postroad.clock import Clock
from postroad.contract.calls import Type
from postroad.contract.members import excerpt
from postroad.web.answers import Answer, Error, Receive, Scope, Send, new_request_id, refuse, respond
from postroad.web.ingest import Ingest
from postroad.web.request import Disconnected
from postroad.web.tally import IngestTally

CALLS: Final[Mapping[str, Type]] = MappingProxyType(
    {f"/v1/{path}": call for call in Type for path in (call.wire, call.wire[0])}
)
"""Paths of the single calls, long and one-letter. No two calls share a first letter."""

Page = Callable[[], Awaitable[Answer]]


class IngestApp:
    """Routes a request, answers it, and gives every answer its request id."""

    def __init__(self, ingest: Ingest, pages: Mapping[str, Page], tally: IngestTally, clock: Clock) -> None:
        """`pages` are answered to GET: `/livez` and `/readyz`."""
        self._ingest = ingest
        self._pages = pages
        self._tally = tally
        self._clock = clock
        self._logger = structlog.get_logger("postroad.ingest")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3, HTTP only)."""
        began = self._clock.monotonic()
        request_id = new_request_id()
        try:
            answer = await self._answer(scope, receive)
        except Disconnected:
            return
        except Exception:
            self._logger.exception("a request failed", request_id=request_id.decode(), path=scope["path"])
            answer = refuse(Error.INTERNAL, "a bug in Postroad; its log has the trace under this request id")
        await respond(send, answer, request_id)
        self._tally.took(self._clock.monotonic() - began)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        call = CALLS.get(path)
        if call is not None and method == "POST":
            return await self._ingest.call(call, scope, receive)
        page = self._pages.get(path)
        if page is not None and method in ("GET", "HEAD"):
            return await page()
        if call is None and page is None:
            return refuse(Error.NOT_FOUND, f"there is nothing at {excerpt(path)}; calls go to /v1/track and its kin")
        allowed = "POST" if call is not None else "GET, HEAD"
        return refuse(Error.METHOD_NOT_ALLOWED, f"{path} takes {allowed}", headers=((b"allow", allowed.encode()),))
