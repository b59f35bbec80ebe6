"""Clients that send without end: what one connection may cost."""

import asyncio
import tracemalloc

import pytest
from wire import GOOD, HEAD, post, read_reply

from postroad.errors import StoreBusy

MIB = 1 << 20


async def read_to_the_end(reader):
    """Return everything until the connection is over, however it ends."""
    parts = []
    try:
        while part := await reader.read(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


async def test_a_hundred_megabytes_take_little_memory(server):
    """A body without end is refused with the reason, and never held."""
    reader, writer = await server.connect()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    tracemalloc.start()
    try:
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(100 * MIB // 0x10000):
            writer.write(chunk)
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        reply = await read_reply(reader)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (reply.status, reply.codes) == (400, ["too_large"])
    assert peak < 16 * MIB
    writer.write(post(GOOD))
    assert (await read_reply(reader)).status == 200
    writer.close()


@pytest.mark.parametrize("endless", [b"X-More: 1\r\n", b"x"], ids=["trailers", "one trailer"])
async def test_what_follows_a_chunked_body_is_bounded(server, endless):
    """Trailers without end are cut off like a head."""
    reader, writer = await server.connect()
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
    ended = asyncio.ensure_future(read_to_the_end(reader))
    sent = 0
    while not ended.done() and sent < 4 * MIB:
        writer.write(endless * (8192 // len(endless)))
        sent += 8192
        await asyncio.sleep(0)
    assert sent < 4 * MIB
    assert (await ended).startswith(b"HTTP/1.1 431 ")
    writer.close()
    assert (await server.post(GOOD)).status == 200


async def test_requests_sent_ahead_are_bounded(server):
    """However many requests a client sends ahead: it gets all answers, and few are held at a time."""
    reader, writer = await server.connect()
    tracemalloc.start()
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 5_000)
        writer.write_eof()
        answers = await asyncio.wait_for(read_to_the_end(reader), 60)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answers.count(b"HTTP/1.1 404") == 5_000
    assert peak < len(answers) * 2 + 8 * MIB
    writer.close()
    assert (await server.post(GOOD)).status == 200


async def test_a_request_without_a_length_has_an_empty_body(server):
    """Without Content-Length and chunks there is no body, and that is no event."""
    reply = await server.send(HEAD + b"\r\n")
    assert (reply.status, reply.codes) == (400, ["not_json"])


async def test_head_has_no_body(server):
    """A HEAD is told which methods there are, without a body."""
    reader, writer = await server.connect()
    writer.write(b"HEAD /v1/track HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nallow: POST" in head
    assert b"\r\nx-request-id: " in head
    assert body == b""
    writer.close()


@pytest.mark.parametrize("strict", [True, False])
async def test_a_full_queue_is_503_in_both_modes(server, strict):
    """When too much waits to be written the client is told to come back."""
    server.log.bug = StoreBusy("67108864 bytes are waiting to be written")
    reply = await server.post(GOOD, strict=strict)
    assert (reply.status, int(reply.headers["retry-after"]) >= 5) == (503, True)
    server.log.bug = None
    assert (await server.post(GOOD, strict=strict)).status == 200


class TestStalledBehindAnother:
    """With a request timeout of 0.2 s."""

    @pytest.fixture
    def request_timeout(self):
        """Seconds a request may take to arrive."""
        return 0.2

    @pytest.mark.parametrize("missing", [1, len(GOOD) + 5])
    async def test_half_a_request_behind_a_whole_one_is_cut_off(self, server, missing):
        """The first is answered; the rest of the second gets no more time for having come along with it."""
        reader, writer = await server.connect()
        writer.write(post(GOOD) + post(GOOD)[:-missing])
        answers = await asyncio.wait_for(read_to_the_end(reader), 10)
        assert answers.count(b"HTTP/1.1 200 OK") == 1
        assert len(await server.stored()) == 1
        writer.close()
