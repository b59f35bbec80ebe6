"""More than can be written: refused early, with a time to come back, and taken again as soon as there is room."""

import asyncio

from wire import GOOD, post

from postroad.ingest.budget import BodyBudget, Crowded


async def test_a_full_queue_refuses_before_the_body_is_read(server):
    """While the queue of unwritten bytes is full the head alone is answered 503, with Retry-After of 5 s or more."""
    server.log.is_full = True
    head = post(GOOD).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    reply = await server.send(head)  # the body never comes
    assert reply.status == 503
    assert 5 <= int(reply.headers["retry-after"]) <= 15
    server.log.is_full = False
    assert (await server.post(GOOD, strict=True)).status == 200


async def test_bodies_that_are_being_received_are_bounded_together(server):
    """Many large bodies at once, none complete: beyond 64 MiB of them 503; when they are gone, calls go on."""
    piece = b"x" * (4 << 20)
    head = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 4194305\r\n\r\n"
    slow = [await server.connect() for _ in range(20)]

    async def feed(reader, writer):
        writer.write(head + piece)
        return (await reader.read(12)).decode()

    waiting = [asyncio.create_task(feed(*pair)) for pair in slow]
    done, pending = await asyncio.wait(waiting, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result() for task in done} == {"HTTP/1.1 503"}
    for task in pending:
        task.cancel()
    for _, writer in slow:
        writer.transport.abort()
    await asyncio.gather(*pending, return_exceptions=True)
    while (reply := await server.post(GOOD, strict=True)).status == 503:
        await asyncio.sleep(0)
    assert reply.status == 200


async def test_what_is_no_call_is_bounded_with_the_calls(server, monkeypatch):
    """The figures of an SDK that come when too much is being received are a 503 like a call, not a bug of ours."""
    monkeypatch.setattr(BodyBudget, "take", refuse)
    reply = await server.post(b"x" * 300_000, path="/v1/m", key=None)
    assert (reply.status, int(reply.headers["retry-after"]) >= 5) == (503, True)


def refuse(_budget, _size, _shares):
    """Hold as much as may be held."""
    raise Crowded("67108864 bytes of bodies are being received; the limit is 67108864")
