"""Compressed bodies: what official clients send, and what nobody should."""

import gzip
import zlib

import pytest
from wire import GOOD, KEY, in_chunks


def raw_deflate(body):
    """Compress without zlib's frame, as some clients do under the name of deflate."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


GOOD_ONES = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "GZIP": ("GZIP", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "identity": ("identity", bytes),
    "two parts": ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
}


@pytest.mark.parametrize(("encoding", "compress"), GOOD_ONES.values(), ids=GOOD_ONES)
async def test_a_compressed_call_is_taken(server, encoding, compress):
    """Whatever the Content-Type says, a body compressed as its Content-Encoding says is a call."""
    headers = (f"Content-Encoding: {encoding}", "Content-Type: application/x-www-form-urlencoded")
    assert (await server.post(compress(GOOD), *headers, strict=True)).status == 200
    assert len(await server.stored()) == 1


async def test_a_compressed_call_in_chunks(server):
    """The Android SDK sends gzip with chunked transfer, text/plain, and the key in the body."""
    body = gzip.compress(GOOD[:-1] + f',"writeKey":"{KEY}"}}'.encode())
    head = (
        b"POST /v1/t HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    assert (await server.send(head + in_chunks(body, 20))).status == 200
    assert len(await server.stored()) == 1


BAD_ONES = {
    "cut off": ("gzip", gzip.compress(GOOD)[:-9], "bad_encoding"),
    "not compressed": ("gzip", GOOD, "bad_encoding"),
    "another encoding": ("deflate", gzip.compress(GOOD), "bad_encoding"),
    "unknown": ("br", GOOD, "bad_encoding"),
    "garbage behind": ("gzip", gzip.compress(GOOD) + b"garbage", "bad_encoding"),
    "nothing": ("gzip", b"", "bad_encoding"),
    "a bomb": ("gzip", gzip.compress(b" " * (64 << 20)), "too_large"),
    "many empty parts": ("gzip", gzip.compress(b"") * 10_000, "bad_encoding"),
}


@pytest.mark.parametrize(("encoding", "body", "code"), BAD_ONES.values(), ids=BAD_ONES)
async def test_what_cannot_be_inflated(server, encoding, body, code):
    """Strict: 400 with the reason. Permissive: 200 and a rejection. The server goes on either way."""
    header = f"Content-Encoding: {encoding}"
    strict = await server.post(body, header, strict=True)
    assert (strict.status, strict.codes) == (400, [code])
    assert (await server.post(body, header)).status == 200
    assert [rejection.code for rejection in await server.rejected()] == [code]
    assert (await server.post(GOOD, strict=True)).status == 200
