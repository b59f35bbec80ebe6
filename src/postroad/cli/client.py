"""Calls to a running server of ours, from the same machine: plain HTTP, or TLS pinned to the server's certificate."""

import http.client
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from postroad.config import Address, Server
from postroad.errors import PostroadError

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to call when the server listens everywhere


class Unreachable(PostroadError):
    """No server answers there; the sentence says where, and why."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_Request = tuple[str, str, bytes | None, Mapping[str, str]]


def url_of(address: Address, scheme: str = "http") -> str:
    """Return the URL at which this machine reaches an address that a server listens on."""
    return f"{scheme}://{Address(_ANYWHERE.get(address.host, address.host), address.port)}"


def ingest_url(server: Server) -> str:
    """Return the URL of the ingest address."""
    return url_of(server.bind, "https" if server.tls else "http")


def get(server: Server, path: str, timeout: float) -> Answer:
    """Ask the ingest address. Raises `Unreachable`."""
    return _call(_ingest(server, timeout), ingest_url(server), ("GET", path, None, {}))


def post(server: Server, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
    """Send to the ingest address. Raises `Unreachable`."""
    return _call(_ingest(server, timeout), ingest_url(server), ("POST", path, body, headers))


def post_admin(server: Server, path: str, body: bytes, token: str, timeout: float) -> Answer:
    """Send to the admin address. Raises `Unreachable`."""
    address = server.admin_bind
    connection = http.client.HTTPConnection(_ANYWHERE.get(address.host, address.host), address.port, timeout=timeout)
    return _call(connection, url_of(address), ("POST", path, body, {"Authorization": f"Bearer {token}"}))


def _ingest(server: Server, timeout: float) -> http.client.HTTPConnection:
    host, port = _ANYWHERE.get(server.bind.host, server.bind.host), server.bind.port
    if server.tls is None:
        return http.client.HTTPConnection(host, port, timeout=timeout)
    context = ssl.create_default_context(cafile=str(server.tls.cert))
    context.check_hostname = False  # the certificate names the public host; that it is this very one is enough
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


def _call(connection: http.client.HTTPConnection, url: str, request: _Request) -> Answer:
    method, path, body, headers = request
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"no server answers at {url} ({error}); is `postroad serve` running?") from error
    finally:
        connection.close()
