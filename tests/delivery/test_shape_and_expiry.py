"""Shaping events on their way, and giving up what is too old."""

import pytest
from batched import Batched, fine
from bench import calm, plan

from postroad.destinations.base import BatchLimits, Retry
from postroad.log.base import BLOCK_SPAN


async def shape(event):
    """Do to each event what its id says."""
    if event.message_id == "filtered":
        return None
    if event.message_id == "wrong":
        return "Traceback: no"
    if event.message_id == "bug":
        raise ZeroDivisionError
    return event._replace(body=event.body.replace(b"ada", b"eve"))


async def test_events_are_shaped_at_every_try(bench):
    """What the destination gets is the shaped event, at the second try too; the stored one stays as it is."""
    (offset,) = await bench.append("a")
    answers = [[Retry("busy", 1)]]
    destination = Batched(lambda ids: answers.pop() if answers else fine(ids))
    await bench.start(destination, plan()._replace(shape=shape))
    await bench.pass_time(2)
    assert [b"eve" in body and b"ada" not in body for body in destination.bodies] == [True, True]
    record = await bench.log.get(offset)
    assert b"ada" in record.value


async def test_shaping_filters_and_gives_up(bench):
    """None filters an event, a text makes it a dead letter with that reason, and so does a bug in the shaping."""
    await bench.append("filtered", "wrong", "bug", "a")
    destination = Batched()
    await bench.start(destination, plan()._replace(shape=shape))
    assert destination.batches == [["a"]]
    assert await bench.totals() == {"FILTERED_TRANSFORM": 1, "DEAD": 2, "DELIVERED": 1}
    letters = await bench.ledger.dead(1)
    assert [letter.why for letter in letters] == ["Traceback: no", "shaping the event raised ZeroDivisionError"]
    assert b"wrong" in letters[0].value


async def test_what_shaping_leaves_may_be_untakeable(bench, monkeypatch):
    """Whether the destination can take an event is asked of the shaped one."""
    await bench.append("a")
    destination = Batched()
    monkeypatch.setattr(destination, "takes", lambda event: b"ada" in event.body)
    await bench.start(destination, plan()._replace(shape=shape))
    assert await bench.totals() == {"FILTERED_UNSUPPORTED": 1}


@pytest.mark.parametrize("frozen", [False, True])
async def test_what_is_too_old_expires(bench, frozen):
    """What a destination that is down has not got by then expires, unread or in retry, and holds back nothing."""
    for number in range(8):
        await bench.append(f"a{number}", f"b{number}")
    destination = Batched(lambda ids: [Retry("busy")] * len(ids))
    served = plan(concurrency=1)._replace(batch=BatchLimits(1, 1 << 20, 0, frozen))
    await bench.start(destination, served)
    for number in range(8, 16):
        await bench.append(f"a{number}", f"b{number}")
    await bench.worker.expire(8 * BLOCK_SPAN)
    await calm()
    await bench.pass_time(10)
    await bench.worker.expire(8 * BLOCK_SPAN)
    await calm()
    expired = (await bench.totals())["EXPIRED"]
    assert expired >= 15  # one may just be the probe
    destination.answer = fine
    await bench.pass_time(400)
    for _ in range(3):
        await bench.pass_time(5)
    assert await bench.totals() == {"EXPIRED": expired, "DELIVERED": 32 - expired}
    assert (await bench.account()).cursor == 16 * BLOCK_SPAN
