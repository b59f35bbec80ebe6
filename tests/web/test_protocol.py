"""Clients that are slow, endless or odd on the wire: bounded, and nobody else notices."""

import asyncio

import pytest
from wire import GOOD, HEAD, in_chunks, post, read_reply

from postroad.web.wire.policy import HEAD_BYTES


def chunked(body, size):
    """Return a call in chunks of `size` bytes."""
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + in_chunks(body, size)


async def test_a_chunked_body(server):
    """A body without a length is read like any other."""
    reply = await server.send(chunked(GOOD, 7))
    assert (reply.status, reply.body) == (200, b"{}")
    assert len(await server.stored()) == 1


@pytest.mark.parametrize("size", [33 * 1024, 5 << 20])
async def test_a_chunked_body_over_the_limit(server, size):
    """Chunks don't hide how large a body is."""
    reply = await server.send(chunked(b"x" * size, 60_000))
    assert (reply.status, reply.codes) == (400, ["too_large"])


async def test_requests_of_one_connection_are_answered_in_order(server):
    """A client may send ahead; each request has its own answer, and the connection stays."""
    reader, writer = await server.connect()
    writer.write(post(GOOD, strict=True) + post(b"x", strict=True) + post(GOOD, path="/nowhere") + post(GOOD))
    assert [(await read_reply(reader)).status for _ in range(4)] == [200, 400, 404, 200]
    writer.close()


async def test_a_half_closed_connection_is_answered(server):
    """A client that has sent its request and says it sends no more still gets its answer, once stored."""
    server.log.gate.clear()
    reader, writer = await server.connect()
    writer.write(post(GOOD))
    writer.write_eof()
    assert (await server.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
    server.log.gate.set()
    assert (await read_reply(reader)).status == 200
    assert await reader.read() == b""
    assert len(await server.stored()) == 1
    writer.close()


async def test_half_a_request_is_nothing(server):
    """A client that leaves before its request is whole leaves nothing behind."""
    _, writer = await server.connect()
    writer.write(post(GOOD)[:-5])
    writer.close()
    await writer.wait_closed()
    assert (await server.post(GOOD)).status == 200
    assert len(await server.stored()) == 1
    assert await server.rejected() == []


async def test_an_endless_head_is_refused(server):
    """Headers may have 64 KiB in all: 431 and the connection is closed."""
    reader, writer = await server.connect()
    head = b"POST /v1/track HTTP/1.1\r\nX-Long: "
    writer.write(head + b"x" * (HEAD_BYTES + 1 - len(head)))
    assert (await read_reply(reader)).status == 431
    assert await reader.read() == b""
    writer.close()
    assert (await server.post(GOOD)).status == 200


async def test_a_header_without_a_colon_is_refused(server):
    """What is no HTTP is a 400 of the HTTP server's own."""
    reader, writer = await server.connect()
    writer.write(b"POST /v1/track HTTP/1.1\r\nHost x\r\nContent-Length: 0\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert (await server.post(GOOD)).status == 200


@pytest.mark.parametrize("encoding", ["br", "gzipped"])
async def test_an_unknown_encoding_is_refused(server, encoding):
    """A body in an encoding we don't read can't become an event."""
    reply = await server.post(GOOD, f"Content-Encoding: {encoding}", strict=True)
    assert reply.status == 400


class TestSlowClients:
    """With a request timeout of 0.2 s."""

    @pytest.fixture
    def request_timeout(self):
        """Seconds a request may take to arrive."""
        return 0.2

    @pytest.mark.parametrize("sent", [0, 20, len(post(GOOD)) - len(GOOD), len(post(GOOD)) - 1])
    async def test_a_request_that_does_not_arrive_is_cut_off(self, server, sent):
        """Whether it stops before, in or after its head, a stalled request ends after the timeout, with a 408 if any of
        it came.
        """
        reader, writer = await server.connect()
        writer.write(post(GOOD)[:sent])
        told = await asyncio.wait_for(reader.read(), 10)
        assert told.startswith(b"HTTP/1.1 408 Request Timeout") if sent else told == b""
        writer.close()
        assert (await server.post(GOOD)).status == 200
        assert len(await server.stored()) == 1

    @pytest.mark.parametrize("begin", [HEAD, HEAD + b"Content-Length: 99999\r\n\r\n"], ids=["head", "body"])
    async def test_a_trickle_is_cut_off_too(self, server, begin):
        """Sending a little now and then buys no time, in the head or in the body."""
        reader, writer = await server.connect()
        writer.write(begin)
        ended = asyncio.ensure_future(reader.read())
        async with asyncio.timeout(10):
            while not ended.done():
                writer.write(b"X")
                await asyncio.wait([ended], timeout=0.05)
        writer.close()
        assert (await server.post(GOOD)).status == 200

    async def test_waiting_for_the_store_is_not_the_clients_fault(self, server):
        """A request that is whole is answered however long the store takes."""
        server.log.gate.clear()
        reader, writer = await server.connect()
        writer.write(post(GOOD))
        stalled, other = await server.connect()
        assert await asyncio.wait_for(stalled.read(), 10) == b""
        other.close()
        server.log.gate.set()
        assert (await read_reply(reader)).status == 200
        writer.close()
