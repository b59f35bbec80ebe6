"""Serving one ASGI app on one address until told to stop."""

import asyncio
import ssl
from typing import NamedTuple

from postroad.config.model import Tls
from postroad.runtime.descriptors import descriptors
from postroad.web.wire import Bounds, Listening, Wire, WireTally, bounds_within
from postroad.web.wire.asgi import App


class Listener(NamedTuple):
    """Where to listen, how long to wait, in seconds, and how many connections to take; without `tls` by plain HTTP."""

    host: str
    port: int
    request_timeout: float
    grace: float
    tls: ssl.SSLContext | None = None
    bounds: Bounds | None = None
    """How many connections there may be; as many as this process has room for by itself when None."""


def tls_of(tls: Tls | None) -> ssl.SSLContext | None:
    """Return what serves with a certificate and its key. Raises `OSError` when a file can't be read."""
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    renew(context, tls)
    return context


def renew(context: ssl.SSLContext | None, tls: Tls | None) -> None:
    """Read the certificate and its key again, for connections that come from now on. Raises as `tls_of` does."""
    if context is not None and tls is not None:
        context.load_cert_chain(str(tls.cert), str(tls.key))


async def serve(app: App, listener: Listener, stop: asyncio.Event, tally: WireTally | None = None) -> None:
    """Serve until `stop` is set, then answer what is in flight and return. `tally` is where it counts.

    Raises `OSError` when the address can't be bound.
    """
    where = Listening(
        listener.host,
        listener.port,
        listener.request_timeout,
        listener.grace,
        listener.tls,
        bounds=listener.bounds or bounds_within(descriptors(), 0),
    )
    await Wire(app, where, tally or WireTally("ingest")).serve(stop)
