"""TLS: the same order, the same answers, and time-outs that don't take a client that reads for one that doesn't."""

import asyncio

import pytest
from served import BIG, CALL, serving
from sockets import answers


async def test_the_same_by_tls():
    """Whole requests are answered in order, garbage behind them once, and the connection goes on until then."""
    async with serving(patience=2.0, secure=True) as served:
        found = await served.ask(b"".join(CALL % n for n in range(50)) + b"\0", end=False)
        assert [answer.status for answer in found] == [200] * 50 + [400]
        assert not served.tally.cut_off


@pytest.mark.parametrize("secure", [True, False])
async def test_what_browsers_keep_to(secure):
    """Every answer, also one that refuses what is no HTTP, is what its type says; by our own TLS, and only then,
    browsers are told to come by TLS.
    """
    async with serving(patience=2.0, secure=secure) as served:
        found = await served.ask(CALL % 1 + b"\0", end=False)
    assert [answer.status for answer in found] == [200, 400]
    for answer in found:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers.get("strict-transport-security") == ("max-age=31536000" if secure else None)


async def test_a_large_answer_by_tls():
    """A client that keeps taking gets all of it, and the next request on the connection is answered."""
    async with serving(patience=0.5, secure=True) as served:
        reader, writer = await served.connect()
        writer.write(
            b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" + (CALL % 1).replace(b"Host", b"Connection: close\r\nHost")
        )
        data = await asyncio.wait_for(reader.read(), 20)
        assert [len(answer.body) for answer in answers(data)] == [BIG, 1]
        writer.close()


async def test_a_silent_handshake():
    """Who doesn't begin with TLS loses the connection after the patience."""
    async with serving(patience=0.3, secure=True) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
