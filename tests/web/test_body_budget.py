"""Whoever sends bodies without end takes a part of the room for them, and leaves others theirs."""

import asyncio

import pytest
from wire import GOOD, post

from postroad.ingest.budget import ALL, BodyBudget, Crowded, shares_of

MIB = 1 << 20


async def fill(server, key):
    """Send sixteen bodies of 4 MiB but for their last byte: all that may be held. Return once one was refused."""
    head = f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {4 * MIB}\r\n\r\n"
    pairs = [await server.connect() for _ in range(16)]

    async def feed(reader, writer):
        writer.write(head.encode() + b" " * (4 * MIB - 1))
        return (await reader.read(12)).decode()

    sending = [asyncio.create_task(feed(*pair)) for pair in pairs]
    done, _ = await asyncio.wait(sending, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result() for task in done} <= {"HTTP/1.1 503"}
    return sending, pairs


async def drop(sending, pairs):
    """End them."""
    for task in sending:
        task.cancel()
    for _, writer in pairs:
        writer.transport.abort()
    await asyncio.gather(*sending, return_exceptions=True)


async def test_strangers_leave_room_for_known_sources(server):
    """However much is being received without a known key, a known source's body finds room, piece by piece."""
    held = await fill(server, "nobodys")
    reader, writer = await server.connect()
    call = post(GOOD[:-1] + b" " * (20 * 1024) + GOOD[-1:], strict=True)
    for start in range(0, len(call), 4096):
        writer.write(call[start : start + 4096])
        await writer.drain()
        await asyncio.sleep(0)
    assert await asyncio.wait_for(reader.read(12), 10) == b"HTTP/1.1 200"
    writer.close()
    await drop(*held)


@pytest.mark.parametrize(
    ("taken", "wanted", "fits"),
    [
        ([("", "a", 8 * MIB)], ("", "a"), False),  # a stranger's peer has a half of what strangers have
        ([("", "a", 8 * MIB)], ("", "b"), True),
        ([("", "a", 8 * MIB), ("", "b", 8 * MIB)], ("", "c"), False),  # and they a quarter of all
        ([("", "a", 8 * MIB), ("", "b", 8 * MIB)], ("app", "a"), True),
        ([("", "", 16 * MIB)], ("", "a"), False),  # of whom only the proxy is known
        ([("web", "a", 32 * MIB)], ("web", "b"), False),  # the key that anybody has
        ([("web", "a", 32 * MIB)], ("app", "a"), False),
        ([("web", "a", 32 * MIB), ("", "b", 8 * MIB), ("", "c", 8 * MIB)], ("app", "d"), True),
        ([("web", "", 32 * MIB)], ("app", ""), True),
        ([("web", "a", 32 * MIB), ("app", "b", 32 * MIB)], ("third", "c"), False),  # all there is
    ],
)
def test_shares(taken, wanted, fits):
    """A source, a peer and all strangers together have a share each; what was given back can be taken again."""
    budget = BodyBudget()
    for source, peer, size in taken:
        for _ in range(size // MIB):
            budget.take(MIB, shares_of(source, peer))
    if fits:
        budget.take(MIB, shares_of(*wanted))
        budget.give_back(MIB, shares_of(*wanted))
    else:
        with pytest.raises(Crowded):
            budget.take(MIB, shares_of(*wanted))
    for source, peer, size in taken:
        budget.give_back(size, shares_of(source, peer))
    assert budget.held == 0
    assert budget.shares == {}
    budget.take(ALL)
