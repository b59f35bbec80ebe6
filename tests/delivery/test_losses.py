"""What the log can't read any more is written off as lost, once and named, and holds up nothing."""

import asyncio

from batched import Batched, fine
from bench import Scripted, calm, entry, plan

from postroad.delivery.engine import Engine, Service
from postroad.delivery.giving_up import abandon
from postroad.destinations.base import BatchLimits, Refused, Retry
from postroad.ledger.base import Lost
from postroad.log.base import BLOCK_SPAN, Entry

LOST = "events were lost: the log can't read them any more"
FROZEN = plan(concurrency=1)._replace(batch=BatchLimits(4, 1 << 20, 0, frozen=True))


def named(logged):
    """Return what was said to be lost."""
    return [(line["destination"], line["blocks"], line["events"]) for line in logged if line["event"] == LOST]


async def test_damage_holds_up_nothing(bench, logged):
    """What is damaged is passed, counted and named once; what comes after it is delivered."""
    for ids in (["a"], ["b", "c"], ["d"], ["e"]):
        await bench.append(*ids)
    for block in (1, 2):
        bench.log.damage(block)
    destination = Scripted()
    await bench.start(destination)
    assert destination.delivered == ["a", "e"]
    assert await bench.totals() == {"DELIVERED": 2, "LOST": 3}
    assert await bench.ledger.lost(1) == [Lost(BLOCK_SPAN, 3 * BLOCK_SPAN, 3)]
    assert (await bench.account()).cursor == await bench.log.end()
    assert named(logged) == [("hook", "1 to 2", 3)]
    await bench.kill()
    await bench.start(destination)
    assert await bench.totals() == {"DELIVERED": 2, "LOST": 3}


async def test_a_cut_end(bench, logged):
    """The end of a log that was cut off is lost, and what comes above it is delivered."""
    await bench.append("a")
    await bench.append("b", "c")
    bench.log.cut(1)
    destination = Scripted()
    await bench.start(destination)
    await bench.append("d")
    await calm()
    assert destination.delivered == ["a", "d"]
    assert await bench.totals() == {"DELIVERED": 2, "LOST": 2}
    assert sum(events for _, _, events in named(logged)) == 2


async def test_what_was_settled_inside_of_it_counts_once(bench):
    """What an earlier run settled inside of a lost stretch and behind it is neither lost nor sent again."""
    for block in range(5):
        await bench.append(f"{block}a", f"{block}b")
    hang = {"0a": [None], "2b": [None]}
    await bench.start(Scripted(hang))
    await bench.kill()
    assert await bench.totals() == {"DELIVERED": 8}
    for block in (1, 2, 3):
        bench.log.damage(block)
    destination = Scripted()
    await bench.start(destination)
    assert destination.delivered == ["0a"]
    assert await bench.totals() == {"DELIVERED": 9, "LOST": 1}
    assert await bench.ledger.lost(1) == []


async def test_a_retry_whose_bytes_are_gone(bench):
    """A retry that the log can't read is lost; one that retention removed expired; one with its own bytes is sent."""
    ids = ["old", "damaged", "dead"]
    for message_id in ids:
        await bench.append(message_id)
    busy = {"old": [Retry("busy", 100)], "damaged": [Retry("busy", 100)], "dead": [Refused("no")]}
    destination = Scripted(busy)
    await bench.start(destination)
    await bench.log.retire(BLOCK_SPAN, -1)
    for block in (1, 2):
        bench.log.damage(block)
    assert await bench.ledger.resend(1, [2 * BLOCK_SPAN], bench.clock.now()) == 1
    await bench.pass_time(200)
    assert destination.delivered == ["dead"]
    assert await bench.totals() == {"EXPIRED": 1, "LOST": 1, "DELIVERED": 1}


async def test_a_frozen_batch_goes_on_without_them(bench):
    """Of a frozen batch the lost events are lost, and the others are sent as another batch, after a crash as well."""
    for ids in (["a"], ["b", "c"], ["d"]):
        await bench.append(*ids)
    destination = Batched(lambda ids: [Retry("busy", 10)] * len(ids))
    await bench.start(destination, FROZEN)
    await bench.kill()
    bench.log.damage(1)
    await bench.start(destination, FROZEN)
    await bench.pass_time(20)
    assert destination.batches == [["a", "b", "c", "d"], ["a", "d"]]
    assert [list(one.offsets) for one in await bench.ledger.frozen(1)] == [[0, 2 * BLOCK_SPAN]]
    destination.answer = fine
    await bench.pass_time(100)
    assert destination.delivered == ["a", "d"]
    assert await bench.totals() == {"DELIVERED": 2, "LOST": 2}
    assert (await bench.account()).cursor == await bench.log.end()


async def test_damage_under_a_frozen_batch_that_waits(bench):
    """Damage that comes while a batch waits takes its events out of it, and the cursor passes them."""
    for ids in (["a"], ["b"]):
        await bench.append(*ids)
    destination = Batched(lambda ids: [Retry("busy", 10)] * len(ids))
    await bench.start(destination, FROZEN)
    bench.log.damage(0)
    destination.answer = fine
    await bench.pass_time(20)
    assert destination.delivered == ["b"]
    assert await bench.totals() == {"DELIVERED": 1, "LOST": 1}
    assert (await bench.account()).cursor == await bench.log.end()


async def test_erased_events_are_not_sent(bench):
    """An event that privacy erased is settled as erased."""
    await bench.log.append([entry("a"), Entry(b"digest", b""), entry("b")])
    destination = Scripted()
    await bench.start(destination)
    assert sorted(destination.delivered) == ["a", "b"]
    assert await bench.totals() == {"DELIVERED": 2, "ERASED": 1}


async def test_writing_off_passes_damage(bench):
    """A destination that is abandoned has what is damaged as lost, and only the rest as abandoned."""
    await bench.append("a")
    await bench.append("b", "c")
    await bench.append("d")
    await bench.log.append([Entry(b"digest", b"")])
    bench.log.damage(1)
    await bench.ledger.open_account("hook", start=0, at=0)
    await bench.ledger.end_account(1, await bench.log.end(), at=1, by="abandoned")
    await abandon(await bench.account(), bench.log, bench.ledger)
    assert await bench.totals() == {"ABANDONED": 3, "LOST": 2}


async def test_a_ledger_of_another_log(bench):
    """Nothing is delivered from a log to which the ledger does not belong; what is done about it is told."""
    await bench.append("a")
    await bench.ledger.adopt("another", 1)
    destination = Scripted()
    engine = Engine([Service(plan(), lambda: destination, from_beginning=True)], bench.log, bench.ledger, bench.clock)
    bench.task = asyncio.create_task(engine.run())
    await calm()
    assert not destination.seen
    assert "another" in engine.states()["hook"]
    assert "from the same backup" in engine.states()["hook"]
    assert list(await bench.ledger.accounts()) == []


async def test_the_ledger_notes_its_log(bench):
    """The ledger of a region belongs to its log from the start on, and learns of another epoch."""
    await bench.append("a")
    engine = Engine([Service(plan(), Scripted, from_beginning=True)], bench.log, bench.ledger, bench.clock)
    bench.task = asyncio.create_task(engine.run())
    await calm()
    assert await bench.ledger.identity() == await bench.log.identity()
    bench.log.cut(0)
    await bench.pass_time(10)
    assert (await bench.ledger.identity())[1] == 2
