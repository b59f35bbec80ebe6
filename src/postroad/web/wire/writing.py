"""From an answer to bytes."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from postroad.web.answers import Header

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_SAFE: Final = b"x-content-type-options: nosniff\r\n"
_SECURE: Final = _SAFE + b"strict-transport-security: max-age=31536000\r\n"
_STATUS: Final = {each.value: b"HTTP/1.1 %d %b\r\n" % (each.value, each.phrase.encode()) for each in HTTPStatus}
_NO_LENGTH: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_OURS: Final = (b"content-length", b"connection", b"date", b"transfer-encoding")


def response(
    status: int, headers: Iterable[Header], body: bytes, *, date: bytes, method: str, closing: bool, secure: bool
) -> tuple[bytes, bytes]:
    """Return the head and the content of an answer to `method`. Length, date and connection are ours to say, and what a
    browser has to keep to: an answer is what its type says, and who came by our own TLS (`secure`) comes by TLS.
    """
    fields = b"".join([b"%b: %b\r\n" % header for header in headers if header[0] not in _OURS])
    fields += _SECURE if secure else _SAFE
    end = b"connection: close\r\n\r\n" if closing else b"\r\n"
    first = _STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status
    if status in _NO_LENGTH:
        return b"%bdate: %b\r\n%b%b" % (first, date, fields, end), b""
    content = b"" if method == "HEAD" else body
    return b"%bdate: %b\r\n%bcontent-length: %d\r\n%b" % (first, date, fields, len(body), end), content
