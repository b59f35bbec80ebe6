"""Large bodies: a few of a source are open at a time, and each counts until it is answered."""

import asyncio
import gzip

import pytest
from wire import GOOD, KEY, OTHER_KEY, post

from postroad.contract.limits import LENIENT_BATCH_BYTES
from postroad.ingest import batches
from postroad.ingest.ingest import CROWDED

BOMB = gzip.compress(b'{"batch":[%b]}' % b",".join([b'{"type":"yyyy"}'] * 9_000))
GZIP = "Content-Encoding: gzip"


async def test_few_are_open_at_a_time(server, monkeypatch):
    """Of many batches that are large once inflated only four of a source are open: the others wait as they came.
    Another source does not wait for them.
    """
    open_now, most = set(), [0]
    decode = batches.decode_in_slices

    async def noted(batch, *others):
        open_now.add(id(batch))
        most[0] = max(most[0], len(open_now))
        try:
            return await decode(batch, *others)
        finally:
            open_now.discard(id(batch))

    monkeypatch.setattr(batches, "decode_in_slices", noted)
    assert len(BOMB) < 4_000
    sending = [asyncio.create_task(server.post(BOMB, GZIP, path="/v1/batch", strict=True)) for _ in range(30)]
    while not open_now:
        await asyncio.sleep(0)
    assert (await server.post(GOOD, strict=True, key=OTHER_KEY)).status == 200
    assert [reply.status for reply in await asyncio.gather(*sending)] == [400] * 30
    assert most[0] == 4


async def test_too_many_is_no_fault_of_the_store(server, monkeypatch):
    """Who is refused because too much is being received is told so."""
    monkeypatch.setattr("postroad.ingest.budget.OF_KNOWN", 100_000)
    reply = await server.post(b" " * 200_000 + GOOD, strict=True)
    assert (reply.status, reply.message) == (503, CROWDED)
    assert (await server.post(GOOD, strict=True)).status == 200


@pytest.mark.parametrize("length", [LENIENT_BATCH_BYTES * 5, (1 << 64) - 1])
@pytest.mark.parametrize("expects", [True, False])
async def test_a_body_that_is_announced_too_large_is_not_asked_for(server, length, expects):
    """Who announces more than is ever read gets its answer at once, instead of `100 Continue`; in permissive mode it is
    recorded without a body.
    """
    for strict in (True, False):
        head = post(b"", strict=strict, key=KEY).replace(b"Content-Length: 0", b"Content-Length: %d" % length)
        expect = b"\r\nExpect: 100-continue\r\n\r\n" if expects else b"\r\n\r\n"
        reply = await server.send(head.removesuffix(b"\r\n\r\n") + expect)
        assert reply.status == (400 if strict else 200)
        assert reply.headers["connection"] == "close"
    [rejection] = await server.rejected()
    assert (rejection.code, rejection.body, rejection.size) == ("too_large", None, min(length, (1 << 62) - 1))
