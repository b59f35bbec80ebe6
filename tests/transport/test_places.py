"""Connections are bounded, in all and from one peer; who has let us wait longest makes room, and nobody is refused."""

import asyncio
import os
import resource
import subprocess
import sys
from math import inf
from pathlib import Path

import pytest
from served import CALL, serving
from structlog.testing import capture_logs

from postroad.web.peers import peer_of
from postroad.web.wire import Bounds, bounds_within
from postroad.web.wire.places import Places


class Waiting:
    """A guest that has let us wait since then."""

    def __init__(self, since):
        self.waits_since = since

    def make_room(self):
        """Go."""


def test_who_makes_room():
    """Those who have let us wait longest go first, one in 64; nobody for whom an answer is being made."""
    places = Places(Bounds(130, 130))
    guests = [Waiting(inf if number < 5 else float(number)) for number in reversed(range(130))]
    for guest in guests:
        places.enter("a", guest)
    reason, leaving = places.crowded_by("b", "b")
    assert (reason, [guest.waits_since for guest in leaving]) == ("total", [5.0, 6.0])
    places.leave(guests[0])
    places.leave(guests[0])
    assert places.crowded_by("b", "b") == ("", ())
    assert len(places) == 129


def test_a_peer_makes_room_for_itself():
    """At its own bound a peer loses its own, not a longer waiting one of others; trusted proxies have no such bound."""
    places = Places(Bounds(100, 2, lambda address: address == "proxy"))
    other, first, second = Waiting(0.0), Waiting(1.0), Waiting(2.0)
    for peer, guest in (("b", other), ("a", first), ("a", second)):
        places.enter(peer, guest)
    assert places.crowded_by("a", "a") == ("peer", [first])
    assert places.crowded_by("b", "b") == ("", ())
    assert places.crowded_by("a", "proxy") == ("", ())


@pytest.mark.parametrize(
    ("descriptors", "kept", "found"),
    [(1024, 128, (896, 448)), (128, 128, (64, 32)), (1 << 20, 128, (16_384, 2_048)), (20_000, 500, (16_384, 2_048))],
)
def test_bounds(descriptors, kept, found):
    """They leave the descriptors that are kept, but a half at most; one peer gets half of the room."""
    assert bounds_within(descriptors, kept)[:2] == found


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::9%eth0"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("x:y", "x:y"),
        ("", ""),
    ],
)
def test_peers(address, peer):
    """An IPv4 address is a peer, and so is an IPv6 network of 64 bits; nothing else is taken apart."""
    assert peer_of(address) in {peer, "2001:db8:1:2::/64" if "%" in address else peer}


@pytest.mark.parametrize("secure", [False, True])
async def test_idle_connections_shut_nobody_out(secure):
    """However many connections are open and silent, TLS not even begun on them, the next one is answered at once; the
    first of them are closed, one whose answer is being made is not, and metric and log tell.
    """
    async with serving(secure=secure, bounds=Bounds(40, 30)) as served:
        served.app.gate.clear()
        reader, writer = await served.connect()
        writer.write(CALL % 1)
        while not served.app.read:
            await asyncio.sleep(0)
        idle = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(100)]
        served.app.gate.set()
        assert (await served.ask((CALL % 2).replace(b"Host", b"Connection: close\r\nHost"), end=False))[0].status == 200
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await idle[0][0].read() == b""
        assert served.tally.made_room["peer"] >= 70
        assert served.tally.open() <= 30
        with capture_logs() as logs:
            served.wire.tell()
            served.wire.tell()
        [line] = logs
        assert (line["count"], line["last_from"]) == (served.tally.made_room["peer"], "127.0.0.1")
        for _, other in (*idle, (reader, writer)):
            other.close()


async def test_half_a_request_makes_room_like_none():
    """Connections with a piece of a request, of its head or of its body, are no better than idle ones."""
    async with serving(bounds=Bounds(20, 10)) as served:
        pieces = [(CALL % 1)[:20], (CALL % 1)[:-1]]
        half = [await served.connect() for _ in range(30)]
        for number, (_, writer) in enumerate(half):
            writer.write(pieces[number % 2])
        assert [answer.status for answer in await served.ask(CALL % 2)] == [200]
        assert served.tally.made_room["peer"] >= 20
        for _, writer in half:
            writer.close()


async def test_only_when_all_are_being_answered_is_one_refused():
    """Where every place waits for us a new connection is closed, and counted; when they are answered it is served."""
    async with serving(bounds=Bounds(3, 3)) as served:
        served.app.gate.clear()
        busy = [await served.connect() for _ in range(3)]
        for _, writer in busy:
            writer.write(CALL % 1)
        while len(served.app.read) < 3:
            await asyncio.sleep(0)
        reader, writer = await served.connect()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert served.tally.made_room == {"busy": 1}
        served.app.gate.set()
        for other, _ in busy:
            assert (await other.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert [answer.status for answer in await served.ask(CALL % 2)] == [200]
        for _, other in (*busy, (reader, writer)):
            other.close()


async def test_an_answer_that_is_held_back_keeps_no_place():
    """Connections whose answers are held back on purpose make room, those that have waited longest first."""
    async with serving(bounds=Bounds(4, 3)) as served:
        served.app.gate.clear()
        held = []
        for number in range(3):
            held.append(await served.connect())
            held[-1][1].write((CALL % 0).replace(b"/0", b"/held"))
            while len(served.app.read) <= number:
                await asyncio.sleep(0)
        reader, writer = await served.connect()
        assert await asyncio.wait_for(held[0][0].read(), 10) == b""
        served.app.gate.set()
        for other, _ in held[1:]:
            assert (await other.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for _, other in (*held, (reader, writer)):
            other.close()


async def test_a_silent_handshake_is_counted():
    """A client that never shakes hands loses its place after the time for it."""
    async with serving(patience=0.3, secure=True) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert served.tally.cut_off == {"handshake": 1}
        while served.tally.open():
            await asyncio.sleep(0)
        writer.close()


async def test_garbage_for_a_handshake_leaves_its_place():
    """What is no TLS ends the connection, and its place is free."""
    async with serving(secure=True) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(CALL % 1)
        await asyncio.wait_for(reader.read(), 5)
        while served.tally.open():
            await asyncio.sleep(0)
        assert not served.tally.cut_off
        writer.close()


async def test_no_descriptor_left():
    """Where the system has no descriptor for one more, the address neither dies nor spins: it makes room, and goes on
    once there is some.
    """
    program, paths = (
        Path(__file__).parent / "without_descriptors.py",
        os.pathsep.join(path for path in sys.path if path),
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(program), stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    )
    output, _ = await asyncio.wait_for(child.communicate(), 60)
    assert output.split() == [b"200", b"True"]


def test_the_soft_limit_is_raised():
    """A process that may open more than its soft limit says does."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    program = (
        "import resource\n"
        "from postroad.runtime.descriptors import descriptors, raise_limit\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))\n"
        "raise_limit()\n"
        "assert descriptors() == (min(hard, 1 << 20) if hard != resource.RLIM_INFINITY else 1 << 20), descriptors()\n"
    )
    assert hard == resource.RLIM_INFINITY or hard > 128
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
