"""Serving one ASGI app on one address until told to stop."""

import asyncio
import ssl
from typing import NamedTuple

from postroad.runtime.descriptors import descriptors
from postroad.web.wire import Bounds, Listening, Wire, WireTally, bounds_within
from postroad.web.wire.asgi import App


class Listener(NamedTuple):
    """Where to listen, how long to wait, in seconds, and how many connections to take.

    `cert` and `key` are PEM files; None serves plain HTTP.
    """

    host: str
    port: int
    request_timeout: float
    grace: float
    cert: str | None = None
    key: str | None = None
    bounds: Bounds | None = None
    """How many connections there may be; as many as this process has room for by itself when None."""


async def serve(app: App, listener: Listener, stop: asyncio.Event, tally: WireTally | None = None) -> None:
    """Serve until `stop` is set, then answer what is in flight and return. `tally` is where it counts.

    Raises `OSError` when the address can't be bound or a file can't be read.
    """
    tls = None
    if listener.cert is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(listener.cert, listener.key)
    where = Listening(
        listener.host,
        listener.port,
        listener.request_timeout,
        listener.grace,
        tls,
        bounds=listener.bounds or bounds_within(descriptors(), 0),
    )
    await Wire(app, where, tally or WireTally("ingest")).serve(stop)
