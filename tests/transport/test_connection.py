"""What a connection does with time: who waits for whom, how long, and what is held meanwhile."""

import asyncio
import contextlib
import gc

import pytest
from served import BIG, CALL, serving
from sockets import answers
from structlog.testing import capture_logs

MOST_OF_A_READ = 256 * 1024


async def test_answers_come_in_order_whatever_follows():
    """Requests sent ahead are answered one after the other; what is no request behind them ends it."""
    async with serving() as served:
        found = await served.ask(b"".join(CALL % n for n in range(50)) + b"\x00" * 100, end=False)
        assert [answer.status for answer in found] == [200] * 50 + [400]
        assert served.app.called == [f"/{n}" for n in range(50)]
        assert dict(served.tally.refused) == {"syntax": 1}


async def test_megabytes_of_garbage_cut_off_no_answer():
    """What a client still sends behind garbage is read for a while, so that its answers reach it (RFC 9112, 9.6)."""
    async with serving() as served:
        served.app.gate.clear()
        reader, writer = await served.connect()
        writer.write(CALL % 1 + b"\0" * (4 << 20))
        await asyncio.sleep(0.05)
        served.app.gate.set()
        data = await asyncio.wait_for(reader.read(), 20)
        assert [answer.status for answer in answers(data)] == [200, 400]
        writer.close()


async def test_continue_is_said_when_the_body_is_wanted():
    """A client that waits is told to go on once, and then answered."""
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}" + CALL % 1)
        writer.write_eof()
        assert [answer.body for answer in answers(await reader.read())] == [b"2", b"2"]
        writer.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nHost: y\r\n", 400),
        (b"POST /early HTTP/1.1\r\nHost: x\r\n", 200),
        (b"POST / HTTP/1.1\r\nHost: x\r\nX: a\0\r\n", 400),
    ],
)
async def test_continue_is_not_said_in_vain(head, status):
    """Who sends what isn't wanted is told only that; the connection ends, because it may send the body or not."""
    async with serving() as served:
        found = await served.ask(head + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", end=False)
        assert [(answer.status, answer.headers["connection"]) for answer in found] == [(status, "close")]


async def test_an_answer_before_the_body():
    """The rest of the body is read and dropped, and the connection goes on."""
    async with serving() as served:
        head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (1 << 20)
        found = await served.ask(head + b"x" * (1 << 20) + CALL % 1)
        assert [answer.body for answer in found] == [b"0", b"2"]


async def test_who_ends_sending_gets_every_answer():
    """A client that half-closes is owed the answers to all that was whole; the rest is nothing."""
    async with serving() as served:
        served.app.gate.clear()
        asked = asyncio.create_task(served.ask(CALL % 1 + CALL % 2 + (CALL % 3)[:-1]))
        while not served.app.called:
            await asyncio.sleep(0)
        served.app.gate.set()
        assert [answer.status for answer in await asked] == [200, 200]
        assert served.app.read == [b"{}", b"{}"]


async def test_a_bug_is_a_500():
    """What fails is answered in the documented shape, and the connection goes on."""
    async with serving() as served:
        with capture_logs() as logs:
            found = await served.ask(b"GET /bug HTTP/1.1\r\nHost: x\r\n\r\n" + CALL % 1)
        assert [answer.status for answer in found] == [500, 200]
        assert b'"code":"internal"' in found[0].body
        assert [line["log_level"] for line in logs] == ["error"]


async def test_who_does_not_read_is_cut_off():
    """A client that takes nothing of its answer loses the connection after the patience; that is counted."""
    async with serving(patience=0.3) as served:
        reader, writer = await served.connect()
        reader._transport.pause_reading()
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(20):
            while not served.tally.cut_off["answer"]:
                await asyncio.sleep(0.05)
        reader._transport.resume_reading()
        with contextlib.suppress(ConnectionResetError):
            assert len(await reader.read()) < BIG
        writer.close()


async def test_who_reads_slowly_gets_all():
    """A client that keeps taking gets the whole answer, however many times the patience that needs."""
    async with serving(patience=1.5) as served:
        reader, writer = await served.connect()
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        size = 0
        while part := await reader.read(1 << 20):
            size += len(part)
            await asyncio.sleep(0.05)
        assert size > BIG
        writer.close()


async def test_who_reads_nothing_is_not_read():
    """A client that sends on and on without reading has a few requests answered, then waits like its answers."""
    async with serving() as served:
        reader, writer = await served.connect()
        reader._transport.pause_reading()
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        while not served.app.read:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0.05)
            writer.write(CALL % 1)
        assert len(served.app.called) == 1
        writer.transport.abort()


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HT", (CALL % 1)[:-1]])
async def test_time_to_send(sent):
    """A request that doesn't come whole within the patience is a 408 and the end of its connection; where none has
    begun, it just ends.
    """
    async with serving(patience=0.2) as served:
        assert [answer.status for answer in await served.ask(sent, end=False)] == ([408] if sent else [])
        assert served.tally.cut_off["request"] == (1 if sent else 0)


async def test_time_to_be_idle():
    """A connection on which nothing comes is closed after its time, without a word."""
    async with serving(keep_alive=0.3) as served:
        found = await served.ask(CALL % 1, end=False)
        assert [answer.status for answer in found] == [200]
        assert not served.tally.cut_off


async def test_a_stop_answers_what_is_owed():
    """Idle connections are closed at once, a request that was taken is answered and told to close, then it ends."""
    async with serving() as served:
        idle, half, busy = [await served.connect() for _ in range(3)]
        served.app.gate.clear()
        half[1].write(b"GET / HT")
        busy[1].write(CALL % 1)
        while not served.app.read:
            await asyncio.sleep(0)
        served.stop.set()
        for reader, writer in (idle, half):
            assert await asyncio.wait_for(reader.read(), 1) == b""
            writer.close()
        with pytest.raises(ConnectionRefusedError):
            await served.connect()
        served.app.gate.set()
        [answer] = answers(await busy[0].read())
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        busy[1].close()
        await asyncio.wait_for(served.task, 5)


async def test_a_stop_does_not_wait_for_ever():
    """What isn't answered within the grace is given up."""
    async with serving(grace=0.2) as served:
        served.app.gate.clear()
        reader, writer = await served.connect()
        writer.write(CALL % 1)
        while not served.app.read:
            await asyncio.sleep(0)
        served.stop.set()
        await asyncio.wait_for(served.task, 5)
        assert served.app.cancelled == 1
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("secure", [False, True])
async def test_a_large_answer_is_written_as_it_is_taken(secure):
    """Of an answer that a client does not read a piece is handed over; whoever reads gets all of it and the next."""
    async with serving(secure=secure) as served:
        reader, writer = await served.connect()
        reader._transport.pause_reading()
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" + CALL % 1)
        while not served.app.read:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0.01)
        [connection] = served.wire._connections
        assert len(connection._rest) > BIG // 4
        assert connection._transport.get_write_buffer_size() < 64 * 1024
        reader._transport.resume_reading()
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: %d" % BIG in head
        assert await reader.readexactly(BIG) == b"x" * BIG
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_an_answer_before_an_endless_body_closes():
    """Where more of a body would come behind its answer than is worth throwing away, the answer says `close`."""
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        assert b"connection: close" in await reader.readuntil(b"\r\n\r\n")
        writer.close()


async def test_a_piece_that_nobody_takes_stops_the_client():
    """Of a large body no more is read than one piece, until whoever answers takes it; then all of it comes."""
    async with serving() as served:
        served.app.gate.clear()
        reader, writer = await served.connect()
        writer.write(b"POST /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % BIG)
        writer.write(b"x" * BIG)
        while not served.app.called:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert writer.transport.get_write_buffer_size() > 0  # what the system holds is not all
        [exchange] = served.wire._bridge.running
        assert sum(map(len, exchange.pieces)) <= MOST_OF_A_READ
        served.app.gate.set()
        assert (await reader.read()).endswith(b"%d" % BIG)
        writer.close()


async def test_what_is_thrown_away_is_read_slowly():
    """A client that was answered early sends the rest of its body, a piece at a time, and its next request."""
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (BIG // 8))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.read(1) == b"0"
        began = asyncio.get_running_loop().time()
        writer.write(b"x" * (BIG // 8) + CALL % 1)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert asyncio.get_running_loop().time() - began > 0.02 * (BIG // 8 // MOST_OF_A_READ - 1)
        writer.close()


async def test_a_body_that_breaks_off_is_refused_and_read_on():
    """Where a chunk is none behind pieces that nobody has taken, the 400 comes, and its end is noticed."""
    async with serving() as served:
        served.app.gate.clear()
        reader, writer = await served.connect()
        writer.write(b"POST /late HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400")
        writer.write(b"x" * 1000)
        writer.write_eof()
        async with asyncio.timeout(1.5):  # less than it lingers
            while served.wire._connections:
                await asyncio.sleep(0.01)
        writer.close()


async def test_connections_leave_no_cycles():
    """What a connection was made of is gone with it: left for the collector, a wave of them would stop everybody."""
    kinds = ("Connection", "Reader", "HttpRequestParser", "Exchange", "Head")

    def left():
        return [type(one).__name__ for one in gc.get_objects() if type(one).__name__ in kinds]

    gc.collect()
    before = len(left())
    async with serving() as served:
        gc.disable()
        try:
            for sent in (b"", b"GET", CALL % 1, (CALL % 2) * 3, (CALL % 3)[:-1], b"no HTTP\r\n\r\n"):
                _, writer = await served.connect()
                writer.write(sent)
                await asyncio.sleep(0.05)
                writer.transport.abort()
                await served.ask(sent)
            async with asyncio.timeout(5):
                while served.wire._connections or served.wire._bridge.running or len(left()) > before:
                    await asyncio.sleep(0.01)
        finally:
            gc.enable()
