"""Calls to a running server of ours, from the same machine: plain HTTP, or TLS pinned to the server's certificate."""

import http.client
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from postroad.config import Server, read_admin_token
from postroad.config.defaults import TOKEN_FILE
from postroad.errors import PostroadError, StoreUnavailable, UsageError
from postroad.web.local import ingest_url, local, pinned, url_of


class Unreachable(PostroadError):
    """No server answers there; the sentence says where, and why."""


class ApiAnswer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_Request = tuple[str, str, bytes | None, Mapping[str, str]]
_ADMIN_TIMEOUT = 60.0


def call_headers(key: str, *, strict: bool) -> Mapping[str, str]:
    """Return the headers of a call to the ingest address."""
    headers = {"Authorization": f"Basic {b64encode(f'{key}:'.encode()).decode()}", "Content-Type": "application/json"}
    return headers | {"X-Strict-Mode": "1"} if strict else headers


def get(server: Server, path: str, timeout: float) -> ApiAnswer:
    """Ask the ingest address. Raises `Unreachable`."""
    return _call(_ingest(server, timeout), ingest_url(server), ("GET", path, None, {}))


def post(server: Server, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> ApiAnswer:
    """Send to the ingest address. Raises `Unreachable`."""
    return _call(_ingest(server, timeout), ingest_url(server), ("POST", path, body, headers))


def ask_admin(server: Server, method: str, path: str, question: Any = None) -> dict[str, Any]:
    """Ask the admin API and return what it tells.

    Raises `Unreachable` when nobody answers, `UsageError` when it refuses what was asked, and `PostroadError` when
    it can't do it now.
    """
    token = read_admin_token(server.data_dir)
    if token is None:
        raise StoreUnavailable(f"there is no {server.data_dir / TOKEN_FILE}: no server has been started here")
    address = local(server.admin_bind)
    connection = http.client.HTTPConnection(address.host, address.port, timeout=_ADMIN_TIMEOUT)
    body = None if question is None else msgspec.json.encode(question)
    answer = _call(connection, url_of(address), (method, path, body, {"Authorization": f"Bearer {token}"}))
    told = decoded(answer.body)
    if answer.status == HTTPStatus.OK and isinstance(told, dict):
        return told
    message = told.get("message", "") if isinstance(told, dict) else ""
    if answer.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND} and message:
        raise UsageError(message)
    raise PostroadError(
        f"the server at {server.admin_bind} answers {answer.status}: {message or 'nothing that is JSON'}"
    )


def ask_each(
    server: Server,
    path: str,
    groups: Iterable[tuple[Mapping[str, Any], str, Sequence[int]]],
    tell: Callable[[int, int], None],
    chunk: int,
) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Ask the admin API for long lists, at most `chunk` numbers at a time. A group is what is said with each of its
    chunks, what the numbers are called, and the numbers; yields what was said with each chunk and what was told.
    `tell` is called with how many were asked for, and all.

    Raises as `ask_admin` does; the chunks before are done then.
    """
    listed = list(groups)
    asked, total = 0, sum(len(numbers) for _, _, numbers in listed)
    for said, name, numbers in listed:
        for part in (numbers[start : start + chunk] for start in range(0, len(numbers), chunk)):
            yield said, ask_admin(server, "POST", path, {**said, name: part})
            asked += len(part)
            tell(asked, total)


def decoded(body: bytes) -> Any:
    """Return the value of a JSON text, None for what is no JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _ingest(server: Server, timeout: float) -> http.client.HTTPConnection:
    host, port = local(server.bind).host, server.bind.port
    if server.tls is None:
        return http.client.HTTPConnection(host, port, timeout=timeout)
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=pinned(server.tls))


def _call(connection: http.client.HTTPConnection, url: str, request: _Request) -> ApiAnswer:
    method, path, body, headers = request
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return ApiAnswer(response.status, dict(response.getheaders()), response.read())
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"no server answers at {url} ({error}); is `postroad serve` running?") from error
    finally:
        connection.close()
