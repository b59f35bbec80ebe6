"""The admin address: its routes, who may use them, and what an error looks like."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from postroad.admin.asking import as_response
from postroad.admin.dead import DeadApi
from postroad.admin.destinations import DestinationsApi
from postroad.admin.pages import Pages
from postroad.admin.rejections import RejectionsApi
from postroad.admin.replays import ReplaysApi
from postroad.contract.refusals import Error
from postroad.errors import StoreError, UsageError
from postroad.web.answers import refuse, unavailable
from postroad.web.local import RETRY
from postroad.web.reference import Document
from postroad.web.token import AdminToken

Endpoint = Callable[[Request], Awaitable[Response]]


def admin_app(
    pages: Pages,
    dead: DeadApi,
    rejections: RejectionsApi,
    replays: ReplaysApi,
    destinations: DestinationsApi,
    *,
    reference: Mapping[str, Document],
    token: AdminToken,
) -> Starlette:
    """Return the ASGI app: all but `/livez`, `/readyz` and the reference needs `Authorization: Bearer TOKEN`."""

    def closed(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
        async def guarded(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode()
            return await endpoint(request) if token.admits(given) else _unauthorized()

        return Route(path, guarded, methods=[method])

    return Starlette(
        routes=[
            *_open(pages, reference),
            closed("/metrics", pages.metrics),
            closed("/api/status", pages.status),
            closed("/api/dead", dead.list),
            closed("/api/dead/{region}/{account:int}/{offset:int}", dead.show),
            closed("/api/dead/resend", dead.resend, "POST"),
            closed("/api/dead/drop", dead.drop, "POST"),
            closed("/api/replays", replays.list),
            closed("/api/replays", replays.open, "POST"),
            closed("/api/replays/{region}/{number:int}/stop", replays.stop, "POST"),
            closed("/api/destinations", destinations.list),
            closed("/api/destinations/{region}/{name}/abandon", destinations.abandon, "POST"),
            closed("/api/rejections", rejections.list),
            closed("/api/rejections/{region}/{id:int}", rejections.show),
            closed(RETRY, rejections.retry, "POST"),
        ],
        exception_handlers=_ANSWERS,
    )


def _open(pages: Pages, reference: Mapping[str, Document]) -> Sequence[Route]:
    """What anybody may ask."""
    health = [Route("/livez", pages.livez), Route("/readyz", pages.readyz)]
    return [*health, *(Route(path, _read(document)) for path, document in reference.items())]


def _read(document: Document) -> Endpoint:
    async def answer(request: Request) -> Response:
        return as_response(document.answer(dict(request.headers.raw)))

    return answer


def _unauthorized() -> Response:
    challenge = ((b"www-authenticate", b"Bearer"),)
    return as_response(refuse(Error.UNAUTHORIZED, "send the admin token as a Bearer token", headers=challenge))


async def _http_error(_request: Request, error: Exception) -> Response:
    raised = cast("HTTPException", error)  # Starlette gives a handler the errors that it was registered for
    kinds = {kind.status: kind for kind in Error}
    headers = [(name.lower().encode(), value.encode()) for name, value in (raised.headers or {}).items()]
    answer = refuse(kinds.get(raised.status_code, Error.INVALID), raised.detail, headers=headers)
    return as_response(answer._replace(status=raised.status_code))


async def _usage_error(_request: Request, error: Exception) -> Response:
    return as_response(refuse(Error.INVALID, str(error)))


async def _overflow(_request: Request, _error: Exception) -> Response:
    return as_response(refuse(Error.INVALID, "a number is larger than any that there is; look for it in the list"))


async def _store_error(_request: Request, error: Exception) -> Response:
    return as_response(unavailable(str(error)))


async def _bug(_request: Request, _error: Exception) -> Response:
    """Answer in the one shape; Starlette raises the error once more, and the wire logs its trace."""
    return as_response(refuse(Error.INTERNAL, "a bug in Postroad; its log has the trace"))


_ANSWERS: Final[Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]]] = {
    HTTPException: _http_error,
    UsageError: _usage_error,
    OverflowError: _overflow,
    StoreError: _store_error,
    Exception: _bug,
}
