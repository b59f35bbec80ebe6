"""Whoever tries many write keys waits for each answer; whoever has a right one never does."""

import asyncio
import gc
import tracemalloc
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs
from wire import GOOD, post

from postroad.clock import ManualClock
from postroad.ingest.forwarded import Proxies
from postroad.ingest.guesses import FREE, LONGEST, PEERS, WINDOW, WRONG_KEY, Guesses, delay_after

PROXIES = Proxies([ip_network("10.0.0.0/8")])


def scope_of(address, *headers):
    """Return the scope of a request with a wrong key."""
    return {"client": (address, 1), "headers": headers, "scheme": "http", WRONG_KEY: True}


async def tried(guesses, scope):
    """Tell whether the answer to this request goes out at once."""
    waiting = asyncio.ensure_future(guesses.hold(scope))
    await asyncio.sleep(0)
    at_once = waiting.done()
    waiting.cancel()
    return at_once


@pytest.mark.parametrize(
    ("send", "wrong"),
    [
        (lambda server: server.post(GOOD, strict=True, key="wrong"), 401),
        (lambda server: server.post(GOOD, key="wrong"), 200),
        (lambda server: server.post(b'{"writeKey":"wrong"}', strict=True, key=None), 401),
        (lambda server: server.send(b"GET /v1/projects/wrong/settings HTTP/1.1\r\nHost: x\r\n\r\n"), 401),
    ],
    ids=["strict", "permissive", "in the body", "settings"],
)
async def test_the_answers_to_many_wrong_keys_wait(server, clock, send, wrong):
    """Thirty in a minute are answered at once, further ones later and later; a right key of the same peer at once."""
    for _ in range(FREE):
        assert (await send(server)).status == wrong
    waiting = [asyncio.create_task(send(server)) for _ in range(3)]
    while clock.sleeping < 3:
        await asyncio.sleep(0)
    assert (await server.post(GOOD, strict=True)).status == 200
    assert not any(task.done() for task in waiting)
    clock.advance(0.15)
    assert [reply.status for reply in await asyncio.gather(*waiting)] == [wrong] * 3


async def test_no_key_is_no_guess(server):
    """Who has no key at all learns nothing from the answer, and so need not wait for it."""
    for _ in range(FREE + 2):
        assert (await server.post(GOOD, strict=True, key=None)).status == 401


async def test_what_waits_holds_no_body(server, clock):
    """While an answer waits, the body that came with the wrong key is gone."""
    for _ in range(FREE):
        await server.post(GOOD, key="wrong")
    tracemalloc.start()
    try:
        pairs = [await server.connect() for _ in range(3)]
        for _, writer in pairs:
            writer.write(post(b" " * (2 << 20) + GOOD, key="wrong"))
            await writer.drain()
        while clock.sleeping < 3:
            await asyncio.sleep(0)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 << 20
    clock.advance(LONGEST)
    for reader, writer in pairs:
        assert await reader.read(12) == b"HTTP/1.1 200"
        writer.close()


def test_how_long():
    """Nothing for the first thirty, then a twentieth of a second more each, two seconds at most."""
    assert [delay_after(FREE + more) for more in (-29, 0, 1, 2, 40, 10**9)] == [0, 0, 0.05, 0.1, 2.0, LONGEST]


async def test_a_minute_later_it_begins_anew():
    """A peer that mistyped its key is answered at once again in the next minute."""
    guesses = Guesses(clock := ManualClock())
    assert [await tried(guesses, scope_of("192.0.2.1")) for _ in range(FREE + 1)] == [True] * FREE + [False]
    clock.advance(WINDOW)
    assert await tried(guesses, scope_of("192.0.2.1"))
    assert (guesses.wrong, guesses.slowed) == (FREE + 2, 1)


async def test_peers_apart():
    """A peer waits for its own guesses alone: an address, a network of IPv6, or whom a trusted proxy speaks for."""
    guesses = Guesses(ManualClock(), PROXIES)
    behind = (b"x-forwarded-for", b"198.51.100.7")
    for scope in (scope_of("192.0.2.1"), scope_of("2001:db8::1"), scope_of("10.0.0.1", behind)):
        for _ in range(FREE):
            assert await tried(guesses, scope)
        assert not await tried(guesses, scope)
    assert not await tried(guesses, scope_of("2001:db8::2"))
    assert await tried(guesses, scope_of("192.0.2.2"))
    assert await tried(guesses, scope_of("10.0.0.1", (b"x-forwarded-for", b"198.51.100.8")))
    for _ in range(2 * FREE):  # whom it speaks for it doesn't say: anybody
        assert await tried(guesses, scope_of("10.0.0.1"))


async def test_the_table_is_bounded():
    """However many peers try, so many are remembered, and the log has a line in ten seconds."""
    guesses = Guesses(ManualClock())
    with capture_logs() as logs:
        for number in range(PEERS + 50):
            await guesses.hold(scope_of(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
        for _ in range(FREE + 20):
            await tried(guesses, scope_of("192.0.2.1"))
    assert guesses.peers == PEERS
    assert [line["peer"] for line in logs] == ["192.0.2.1"]
    assert [metric.samples[0].value for metric in guesses.collect()] == [PEERS + 50 + FREE + 20, 20]
