"""The admin address: its routes, who may use them, and what an error looks like."""

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.convertors import register_url_convertor
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from postroad.admin.api import Endpoint, Number, Operation, as_response, endpoint
from postroad.clock import Clock
from postroad.contract.refusals import Error
from postroad.errors import StoreError, UsageError
from postroad.operations.asking import NotThere
from postroad.web.answers import Answer, refuse, unauthorized, unavailable
from postroad.web.health import Look, livez, readyz
from postroad.web.local import METRICS, RETRY
from postroad.web.metrics import metrics
from postroad.web.reference import Document
from postroad.web.token import AdminToken

Ask = Callable[[bytes], Awaitable[Answer]]
"""Asks the ingest process, which alone can store an event, to retry rejections; see `postroad.ingest.retry`."""


def admin_app(
    calls: Iterable[Operation],
    look: Look,
    pulses: Callable[[], Sequence[str]],
    retry: Ask,
    *,
    reference: Mapping[str, Document],
    token: AdminToken,
    clock: Clock,
) -> Starlette:
    """Return the ASGI app: all but `/livez`, `/readyz` and the reference needs `Authorization: Bearer TOKEN`, before it
    is said what there is. `pulses` returns metrics that other processes have written down.
    """
    register_url_convertor("number", Number())

    async def figures(_request: Request) -> Response:
        return as_response(metrics(await look(), pulses()))

    async def hand_on(request: Request) -> Response:
        return as_response(await retry(await request.body()))

    anybody = _open(look, reference)
    return Starlette(
        routes=[
            *anybody,
            Route(METRICS, figures, methods=["GET"]),
            Route(RETRY, hand_on, methods=["POST"]),
            *(Route(call.path, endpoint(call, clock), methods=[call.method]) for call in calls),
        ],
        exception_handlers=_ANSWERS,
        middleware=[Middleware(_Closed, token=token, anybody={route.path for route in anybody})],
    )


class _Closed:
    """Lets in who has the token; everybody else only to what anybody may ask."""

    def __init__(self, app: ASGIApp, token: AdminToken, anybody: Container[str]) -> None:
        self._app = app
        self._token = token
        self._anybody = anybody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in self._anybody or self._admits(scope["path"], Headers(scope=scope)):
            await self._app(scope, receive, send)
        else:
            await as_response(unauthorized("send the admin token as a Bearer token"))(scope, receive, send)

    def _admits(self, path: str, headers: Headers) -> bool:
        given = headers.get("authorization", "").encode()
        return self._token.admits(given) or (path == METRICS and self._token.of(METRICS).admits(given))


def _open(look: Look, reference: Mapping[str, Document]) -> Sequence[Route]:
    """What anybody may ask."""

    async def lives(_request: Request) -> Response:
        return as_response(await livez())

    async def ready(_request: Request) -> Response:
        return as_response(await readyz(look))

    pages = [Route(path, _read(document)) for path, document in reference.items()]
    return [Route("/livez", lives), Route("/readyz", ready), *pages]


def _read(document: Document) -> Endpoint:
    async def answer(request: Request) -> Response:
        return as_response(document.answer(dict(request.headers.raw)))

    return answer


async def _http_error(_request: Request, error: Exception) -> Response:
    raised = cast("HTTPException", error)  # Starlette gives a handler the errors that it was registered for
    kinds = {kind.status: kind for kind in Error}
    headers = [(name.lower().encode(), value.encode()) for name, value in (raised.headers or {}).items()]
    answer = refuse(kinds.get(raised.status_code, Error.INVALID), raised.detail, headers=headers)
    return as_response(answer._replace(status=raised.status_code))


async def _usage_error(_request: Request, error: Exception) -> Response:
    return as_response(refuse(Error.INVALID, str(error)))


async def _not_there(_request: Request, error: Exception) -> Response:
    return as_response(refuse(Error.NOT_FOUND, str(error)))


async def _store_error(_request: Request, error: Exception) -> Response:
    return as_response(unavailable(str(error)))


async def _bug(_request: Request, _error: Exception) -> Response:
    """Answer in the one shape; Starlette raises the error once more, and the wire logs its trace."""
    return as_response(refuse(Error.INTERNAL, "a bug in Postroad; its log has the trace"))


_ANSWERS: Final[Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]]] = {
    HTTPException: _http_error,
    UsageError: _usage_error,
    NotThere: _not_there,
    StoreError: _store_error,
    Exception: _bug,
}
