"""The admin address: metrics, and what the command line asks the delivery process to write."""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from postroad.clock import Clock
from postroad.errors import StoreUnavailable
from postroad.ledger.base import Account, Ledger
from postroad.web.answers import Answer, Error, new_request_id, refuse, unavailable
from postroad.web.health import Look, livez, readyz
from postroad.web.metrics import render


class AdminRegion(NamedTuple):
    """What the admin address may change in one region."""

    ledger: Ledger
    poke: Callable[[str], None]


class Letters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters of which destination; the body of resend and drop."""

    region: str
    destination: str
    offsets: list[int]


class Admin:
    """The admin address's endpoints."""

    def __init__(
        self,
        regions: Mapping[str, AdminRegion],
        look: Look,
        pulses: Callable[[], Sequence[str]],
        clock: Clock,
    ) -> None:
        self._regions = regions
        self._look = look
        self._pulses = pulses
        self._clock = clock

    async def livez(self, _request: Request) -> Response:
        """The process answers."""
        return _response(await livez())

    async def readyz(self, _request: Request) -> Response:
        """Whether every region accepts and delivers."""
        return _response(await readyz(self._look))

    async def metrics(self, _request: Request) -> Response:
        """Prometheus text."""
        page = render(await self._look(), self._pulses())
        return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def status(self, _request: Request) -> Response:
        """Every region's figures."""
        return _response(Answer(200, msgspec.json.encode(await self._look())))

    async def resend(self, request: Request) -> Response:
        """Turn dead letters into retries that are due now."""
        letters, region, account = await self._letters(request)
        count = await region.ledger.resend(account.number, letters.offsets, self._clock.now())
        region.poke(letters.destination)
        return _response(Answer(200, msgspec.json.encode({"resent": count})))

    async def drop(self, request: Request) -> Response:
        """Give dead letters up for good."""
        letters, region, account = await self._letters(request)
        count = await region.ledger.drop(account.number, letters.offsets)
        return _response(Answer(200, msgspec.json.encode({"dropped": count})))

    async def _letters(self, request: Request) -> tuple[Letters, AdminRegion, Account]:
        try:
            letters = msgspec.json.decode(await request.body(), type=Letters)
        except msgspec.DecodeError as error:
            raise HTTPException(400, str(error)) from error
        region = self._regions.get(letters.region)
        if region is None:
            raise HTTPException(400, f"there is no region {letters.region!r}")
        for account in await region.ledger.accounts():
            if account.destination == letters.destination and account.replay is None and account.end is None:
                return letters, region, account
        raise HTTPException(400, f"there is no destination {letters.destination!r} in region {letters.region!r}")


def admin_app(admin: Admin, token: str) -> Starlette:
    """Return the ASGI app. Everything but `/livez` and `/readyz` needs `Authorization: Bearer TOKEN`."""

    def closed(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
                challenge = ((b"www-authenticate", b"Bearer"),)
                return _response(
                    refuse(Error.UNAUTHORIZED, "send the admin token as a Bearer token", headers=challenge)
                )
            return await endpoint(request)

        return guarded

    return Starlette(
        routes=[
            Route("/livez", admin.livez),
            Route("/readyz", admin.readyz),
            Route("/metrics", closed(admin.metrics)),
            Route("/api/status", closed(admin.status)),
            Route("/api/dead/resend", closed(admin.resend), methods=["POST"]),
            Route("/api/dead/drop", closed(admin.drop), methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, StoreUnavailable: _store_error},
    )


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = error.detail if isinstance(error, HTTPException) else "a bug in Postroad"
    kinds = {kind.status: kind for kind in Error}
    return _response(refuse(kinds.get(status, Error.INVALID), message)._replace(status=status))


async def _store_error(_request: Request, error: Exception) -> Response:
    return _response(unavailable(str(error)))


def _response(answer: Answer) -> Response:
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    headers["x-request-id"] = new_request_id().decode()
    return Response(answer.body, answer.status, headers, media_type="application/json")
