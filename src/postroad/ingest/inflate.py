"""Undoing `Content-Encoding`, with a bound on what comes out."""

import zlib
from typing import Final

from postroad.contract.violations import Code, Problem
from postroad.ingest.request import Oversized

_GZIP: Final = 31
_ZLIB: Final = 15
_RAW: Final = -15
_PARTS: Final = 100
"""A gzip body may have several parts; a real client's has one."""


def inflate(body: bytes, encoding: bytes, limit: int) -> bytes | Oversized | Problem:
    """Return the plain body; at most `limit` bytes are ever inflated.

    `deflate` is zlib as RFC 9110 has it, or raw deflate, which some clients send in its name.
    """
    match encoding:
        case b"" | b"identity":
            return body
        case b"gzip" | b"x-gzip":
            return _inflate(body, _GZIP, limit)
        case b"deflate":
            plain = _inflate(body, _ZLIB, limit)
            return _inflate(body, _RAW, limit) if isinstance(plain, Problem) else plain
        case _:
            return _wrong("Content-Encoding must be gzip, deflate or identity")


def begin_inflating(body: bytes, encoding: bytes, size: int) -> bytes:
    """Return the first `size` bytes of the plain body, fewer where it ends or can't be inflated any further."""
    if encoding in {b"", b"identity"}:
        return body[:size]
    windows = (_GZIP,) if encoding in {b"gzip", b"x-gzip"} else (_ZLIB, _RAW) if encoding == b"deflate" else ()
    for window in windows:
        try:
            return zlib.decompressobj(window).decompress(body, size)
        except zlib.error:
            continue
    return b""


def _inflate(body: bytes, window: int, limit: int) -> bytes | Oversized | Problem:
    parts: list[bytes] = []
    size = 0
    rest = body
    for _ in range(_PARTS):
        decoder = zlib.decompressobj(window)
        try:
            parts.append(decoder.decompress(rest, limit - size + 1))
        except zlib.error:
            return _wrong("the body is not what its Content-Encoding says")
        size += len(parts[-1])
        if size > limit:
            return Oversized(size)
        if not decoder.eof:
            return _wrong("the compressed body is cut off")
        rest = decoder.unused_data
        if not rest:
            return b"".join(parts)
    return _wrong("the compressed body has too many parts")


def _wrong(message: str) -> Problem:
    return Problem("", Code.BAD_ENCODING, message)
