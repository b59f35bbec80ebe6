"""Serving one ASGI app on one address until told to stop."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import uvicorn

from postroad.ingest.protocol import BoundedProtocol, close_stalled

_KEEP_ALIVE = 75
"""Seconds an idle connection is kept: longer than the 60 s that load balancers usually keep theirs, so
that it is they who close it and never a request that crosses our closing."""

_BACKLOG = 2048


class Listener(NamedTuple):
    """Where to listen and how long to wait, in seconds. `cert` and `key` are PEM files; None serves plain HTTP."""

    host: str
    port: int
    request_timeout: float
    grace: float
    cert: str | None = None
    key: str | None = None


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process: it has more to end than its server."""
        yield


async def serve(app: Any, listener: Listener, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then answer what is in flight and return.

    Raises `SystemExit` when the address can't be bound; Uvicorn has then logged why.
    """
    config = uvicorn.Config(
        app,
        host=listener.host,
        port=listener.port,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `ingest.forwarded` reads them, and only of trusted proxies
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(listener.grace)),
        backlog=_BACKLOG,
        ssl_certfile=listener.cert,
        ssl_keyfile=listener.key,
    )
    server = _Server(config)
    stalled = asyncio.create_task(close_stalled(server.server_state, listener.request_timeout))
    ending = asyncio.create_task(_end(server, stop))
    try:
        await server.serve()
    finally:
        stalled.cancel()
        ending.cancel()


async def _end(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True
