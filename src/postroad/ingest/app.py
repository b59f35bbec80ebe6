"""The ingest address: a plain ASGI callable, because everything it does is on the hot path."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import structlog

from postroad.clock import Clock
from postroad.contract.calls import PATHS
from postroad.contract.members import excerpt
from postroad.contract.refusals import Error
from postroad.errors import StoreUnavailable
from postroad.ingest.browser import CORS, PREFLIGHT, BrowserSettings, project_of
from postroad.ingest.guesses import Guesses
from postroad.ingest.ingest import CROWDED, Ingest
from postroad.ingest.request import Disconnected, Oversized
from postroad.ingest.tally import IngestTally
from postroad.web.answers import (
    OK,
    REQUEST_ID,
    Answer,
    Header,
    Receive,
    Scope,
    Send,
    new_request_id,
    refuse,
    respond,
    unauthorized,
    unavailable,
)
from postroad.web.local import API
from postroad.web.reference import Document
from postroad.web.token import AdminToken

METRICS: Final = "/v1/m"
"""Where SDKs send figures about themselves: taken and dropped."""

READING: Final = ("GET", "HEAD")
"""The methods of what can only be read."""

Page = Callable[[], Awaitable[Answer]]
"""Makes the answer to a GET."""


class Operators(NamedTuple):
    """What operators may ask this address, too: by method and path, what makes the answer to a body.

    Each path has a token of its own, made of the admin token, which is for the admin address and opens nothing here:
    who listens at this address, or has what a scraper has, is no administrator. To anybody else `/metrics` is not
    there, and everything under `/api/` asks for a token, whatever is there.
    """

    token: AdminToken
    calls: Mapping[tuple[str, str], Callable[[bytes | Oversized], Awaitable[Answer]]]

    def admit(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether this is one of the paths, asked by an operator."""
        return (method, path) in self.calls and self.token.of(path).admits(headers.get(b"authorization", b""))


def _by_name(fields: Sequence[Header]) -> Mapping[bytes, bytes]:
    """Return the headers by name. Of one that comes twice the last counts, but codings add up: RFC 9110, 8.4."""
    headers = dict(fields)
    if len(headers) < len(fields) and b"content-encoding" in headers:
        headers[b"content-encoding"] = b", ".join(value for name, value in fields if name == b"content-encoding")
    return headers


class IngestApp:
    """Routes a request, answers it, and gives every answer its request id."""

    def __init__(
        self,
        ingest: Ingest,
        settings: BrowserSettings,
        pages: Mapping[str, Page],
        tally: IngestTally,
        clock: Clock,
        *,
        reference: Mapping[str, Document] = MappingProxyType({}),
        operators: Operators | None = None,
        guesses: Guesses | None = None,
    ) -> None:
        """`pages` are answered to GET: `/livez` and `/readyz`; so is the `reference`. `guesses` hold back the answers
        to many wrong keys.
        """
        self._ingest = ingest
        self._operators = operators
        self._settings = settings
        self._pages = pages
        self._reference = reference
        self._tally = tally
        self._clock = clock
        self._guesses = guesses or Guesses(clock)
        self._logger = structlog.get_logger("postroad.ingest")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3, HTTP only)."""
        began = self._clock.monotonic()
        scope[REQUEST_ID] = request_id = new_request_id()
        headers = _by_name(scope["headers"])
        try:
            answer = await self._answer(scope, headers, receive)
        except Disconnected:
            return
        except StoreUnavailable:  # of what is no call; calls are answered for by `Ingest`
            answer = unavailable(CROWDED)
        except Exception:
            self._logger.exception("a request failed", request_id=request_id.decode(), path=scope["path"])
            answer = refuse(Error.INTERNAL, "a bug in Postroad; its log has the trace under this request id")
        self._tally.took(self._clock.monotonic() - began)
        await self._guesses.hold(scope)
        if b"origin" in headers:  # a script of some web page
            answer = answer._replace(headers=(*answer.headers, *CORS))
        await respond(send, answer, request_id)

    async def _answer(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if method == "POST" and path in PATHS:
            return await self._ingest.call(PATHS[path], scope, headers, receive)
        operators = self._operators
        if operators is not None and operators.admit(method, path, headers):
            return await operators.calls[method, path](await self._ingest.read_of_operator(receive))
        if path.startswith(API):
            return unauthorized("nothing here is asked with another token than that of its path; ask the admin address")
        if method in READING and path in self._reference:
            return self._reference[path].answer(headers)
        return await self._answer_others(path, method, scope, receive)

    async def _answer_others(self, path: str, method: str, scope: Scope, receive: Receive) -> Answer:
        allowed = self._methods(path)
        if method == "OPTIONS" and allowed:
            return PREFLIGHT
        if method not in allowed:
            return _no_such(path, allowed)
        if path == METRICS:
            await self._ingest.read(receive, scope)
            return OK
        page = self._pages.get(path)
        return await page() if page is not None else self._settings.answer(path, scope)

    def _methods(self, path: str) -> tuple[str, ...]:
        if path in PATHS or path == METRICS:
            return ("POST",)
        return READING if path in self._pages or path in self._reference or project_of(path) else ()


def _no_such(path: str, allowed: Sequence[str]) -> Answer:
    if not allowed:
        return refuse(Error.NOT_FOUND, f"there is nothing at {excerpt(path)}; calls go to /v1/track and its kin")
    ways = ", ".join(allowed)
    return refuse(Error.METHOD_NOT_ALLOWED, f"{excerpt(path)} takes {ways}", headers=((b"allow", ways.encode()),))
