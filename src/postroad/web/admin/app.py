"""The admin address: its routes, who may use them, and what an error looks like."""

import hmac
from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from postroad.errors import StoreUnavailable, UsageError
from postroad.web.admin.asking import as_response
from postroad.web.admin.dead import DeadApi
from postroad.web.admin.pages import Pages
from postroad.web.admin.rejections import RejectionsApi
from postroad.web.admin.replays import ReplaysApi
from postroad.web.answers import Answer, Error, refuse, unavailable

Endpoint = Callable[[Request], Awaitable[Response]]


def admin_app(
    pages: Pages,
    dead: DeadApi,
    rejections: RejectionsApi,
    replays: ReplaysApi,
    *,
    reference: Mapping[str, Answer],
    token: str,
) -> Starlette:
    """Return the ASGI app.

    Everything but `/livez`, `/readyz` and the reference needs `Authorization: Bearer TOKEN`.
    """

    def closed(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
        async def guarded(request: Request) -> Response:
            return await endpoint(request) if _admits(request, token) else _unauthorized()

        return Route(path, guarded, methods=[method])

    return Starlette(
        routes=[
            Route("/livez", pages.livez),
            Route("/readyz", pages.readyz),
            *(Route(path, _always(page)) for path, page in reference.items()),
            closed("/metrics", pages.metrics),
            closed("/api/status", pages.status),
            closed("/api/dead", dead.list),
            closed("/api/dead/{region}/{account:int}/{offset:int}", dead.show),
            closed("/api/dead/resend", dead.resend, "POST"),
            closed("/api/dead/drop", dead.drop, "POST"),
            closed("/api/replays", replays.list),
            closed("/api/replays", replays.open, "POST"),
            closed("/api/replays/{region}/{number:int}/stop", replays.stop, "POST"),
            closed("/api/rejections", rejections.list),
            closed("/api/rejections/{region}/{id:int}", rejections.show),
            closed("/api/rejections/retry", rejections.retry, "POST"),
        ],
        exception_handlers={HTTPException: _http_error, UsageError: _usage_error, StoreUnavailable: _store_error},
    )


def _always(page: Answer) -> Endpoint:
    async def answer(_request: Request) -> Response:
        return as_response(page)

    return answer


def _admits(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _unauthorized() -> Response:
    challenge = ((b"www-authenticate", b"Bearer"),)
    return as_response(refuse(Error.UNAUTHORIZED, "send the admin token as a Bearer token", headers=challenge))


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = error.detail if isinstance(error, HTTPException) else "a bug in Postroad"
    kinds = {kind.status: kind for kind in Error}
    return as_response(refuse(kinds.get(status, Error.INVALID), message)._replace(status=status))


async def _usage_error(_request: Request, error: Exception) -> Response:
    return as_response(refuse(Error.INVALID, str(error)))


async def _store_error(_request: Request, error: Exception) -> Response:
    return as_response(unavailable(str(error)))
