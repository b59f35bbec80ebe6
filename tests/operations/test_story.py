"""One event's story is what came, and what became of it at every destination that was there."""

from pathlib import Path

import pytest

from postroad.clock import ManualClock
from postroad.contract.calls import Type
from postroad.contract.decode import decode
from postroad.contract.stored import make_key, pack
from postroad.ledger.base import Attempt, DeadLetter, FrozenBatch, Outcome, RetryRow, Settlement
from postroad.log.base import Entry
from postroad.operations import story as story_module
from postroad.operations.story import MEANINGS, StoryQuery, stories
from postroad.regions import Region
from postroad.storage.layout import region_files
from postroad.testing.memory_ledger import MemoryLedger
from postroad.testing.memory_log import MemoryLog

EVENT = b'{"userId":"u1","event":"Email Opened","messageId":"one","properties":{"email_id":7}}'
VALUE = pack(decode(EVENT, Type.TRACK, 1000, str), 1000)
KEY = make_key("app", "one")


class World:
    """A log and a ledger."""

    def __init__(self):
        self.clock = ManualClock()
        self.log = MemoryLog(self.clock)
        self.ledger = MemoryLedger()

    async def settle(self, account, outcome, *, tries=0, cursor=None):
        """Settle the first event for an account."""
        retry = [RetryRow(0, 9000, tries, 1000, "busy")] if outcome == Outcome.RETRY else []
        dead = [DeadLetter(0, KEY, VALUE, "Email Opened", "gone", 5, 1, tries)] if outcome == Outcome.DEAD else []
        failed = [Attempt(0, at, 503, "busy", "try later") for at in range(tries)]
        await self.ledger.settle(account, Settlement({0: outcome}, {0: 1}, cursor, retry, dead, failed))

    async def tell(self, message_id="one", sources=("other", "app"), more=()):
        """Return the stories of a message id."""
        files = region_files(Path("nowhere"), "us")
        region = Region(name="us", files=files, log=self.log, ledger=self.ledger, rejections=None, snapshot=None)
        asked = StoryQuery(message_id=message_id, source=list(more))
        return await stories({"us": region}, lambda _region: sources, asked)


@pytest.fixture
async def world():
    """One event in the log, and two destinations that were there when it came."""
    world = World()
    await world.log.append([Entry(KEY, VALUE)])
    await world.ledger.open_account("crm", start=0, at=1)
    await world.ledger.open_account("file", start=0, at=1)
    return world


async def test_what_came(world):
    """It tells where the event came from, when, what it is, what was wrong with it, and its body."""
    (story,) = await world.tell()
    assert (story.region, story.source, story.message_id, story.offset) == ("us", "app", "one", 0)
    assert (story.received_at, story.type, story.event, story.kind) == (1000, "track", "Email Opened", "Email Opened")
    assert [sentence.partition(":")[0] for sentence in story.violations] == ["properties.email_id"]
    assert b'"email_id":7' in bytes(story.body)


async def test_what_waits(world):
    """What nobody tried yet is pending with no tries; what failed has its tries, its reason, and its next time."""
    await world.settle(1, Outcome.RETRY, tries=2)
    (story,) = await world.tell()
    crm, file = story.deliveries
    assert (crm.destination, crm.outcome, crm.tries, crm.due_at, crm.why) == ("crm", "retry", 2, 9000, "busy")
    assert [(tried.at, tried.status, tried.why, tried.answer) for tried in crm.failed] == [
        (0, 503, "busy", "try later"),
        (1, 503, "busy", "try later"),
    ]
    assert (file.destination, file.outcome, file.tries, file.due_at, list(file.failed)) == (
        "file",
        "pending",
        0,
        None,
        [],
    )


@pytest.mark.parametrize("outcome", [o for o in MEANINGS if o not in {Outcome.PENDING, Outcome.RETRY}])
async def test_what_is_settled(world, outcome):
    """Every outcome has its name and a sentence for people."""
    await world.settle(2, outcome, tries=1)
    (story,) = await world.tell()
    file = story.deliveries[1]
    assert (file.outcome, file.meaning, file.due_at) == (outcome.name.lower(), MEANINGS[outcome], None)


async def test_destinations_that_were_not_there(world):
    """A destination that came later, one that ended before, and a replay that left it out have no part in it."""
    await world.ledger.open_account("later", start=1 << 16, at=1)
    await world.ledger.open_account("crm", start=0, end=1, at=1, replay="left-out")
    await world.settle(4, Outcome.OUT_OF_ACCOUNT)
    await world.ledger.open_account("ended", start=0, at=1)
    await world.ledger.end_account(5, 0, at=1, by="abandoned")
    (story,) = await world.tell()
    assert [place.destination for place in story.deliveries] == ["crm", "file"]


async def test_a_dead_letter_outlives_the_log(world):
    """An event that retention removed is still told while it is a dead letter; what was settled is only counted."""
    await world.settle(1, Outcome.DEAD, tries=1, cursor=1 << 16)
    await world.settle(2, Outcome.DELIVERED, cursor=1 << 16)
    await world.log.append([Entry(b"app\0two", VALUE)])
    world.clock.advance(100)
    await world.log.retire(1 << 16, 10)
    await world.ledger.forget(1 << 16)
    (story,) = await world.tell()
    assert [(place.destination, place.outcome) for place in story.deliveries] == [("crm", "dead"), ("file", "settled")]


async def test_among_many_dead_letters(world, monkeypatch):
    """A dead letter is found however many come before it."""
    monkeypatch.setattr(story_module, "_PAGE", 2)
    offsets = [5 << 16 | place for place in range(5)]
    letters = [DeadLetter(offset, b"app\0%d" % (offset % 8), VALUE, "E", "gone", 5, 1, 1) for offset in offsets]
    settlement = Settlement(dict.fromkeys(offsets, Outcome.DEAD), {5: 5}, None, (), letters)
    await world.ledger.settle(1, settlement)
    (story,) = await world.tell("4")
    assert story.offset == offsets[4]


async def test_replays(world):
    """A replay that claims the event is told beside its destination; one that has no claim to it is not."""
    await world.settle(1, Outcome.DELIVERED, cursor=1 << 16)
    await world.ledger.open_account("crm", start=0, end=1 << 16, at=1, replay="{}")
    await world.ledger.open_account("crm", start=0, end=1 << 16, at=1, replay='{"events":["Other"]}')
    await world.settle(4, Outcome.OUT_OF_ACCOUNT, cursor=1 << 16)
    (story,) = await world.tell()
    told = [(place.account, place.replay is not None, place.outcome) for place in story.deliveries]
    assert told == [(1, False, "delivered"), (2, False, "pending"), (3, True, "pending")]


async def test_a_frozen_batch(world):
    """An event in a frozen batch waits for another try, with the tries, the next time and the reason of its batch, and
    how many it is sent with.
    """
    await world.log.append([Entry(b"app\0two", VALUE), Entry(b"app\0three", VALUE)])
    await world.ledger.freeze_batches(1, [FrozenBatch([0, 1 << 16], 9500, 3, 1000, "busy")])
    (story,) = await world.tell()
    crm, file = story.deliveries
    assert (crm.batch, crm.tries, crm.due_at, crm.why) == (2, 3, 9500, "busy")
    assert (crm.outcome, crm.meaning) == ("pending", MEANINGS[Outcome.RETRY])
    assert (file.batch, file.tries, file.due_at, file.why) == (None, 0, None, "")


async def test_a_frozen_batch_that_was_not_tried(world):
    """An event whose batch is being sent for the first time waits for its first try."""
    await world.ledger.freeze_batches(1, [FrozenBatch([0], 9500, 0, 0, "")])
    (story,) = await world.tell()
    assert (story.deliveries[0].meaning, story.deliveries[0].why) == (MEANINGS[Outcome.PENDING], "")


async def test_nothing_is_found(world):
    """An id that never came from these sources has no story."""
    assert await world.tell("two") == []
    assert await world.tell("one", sources=["other"]) == []
    assert len(await world.tell("one", sources=["other"], more=["app", "app"])) == 1


def test_every_outcome_has_a_meaning():
    """No outcome is left without a sentence but the one that is nobody's."""
    assert set(Outcome) - set(MEANINGS) == {Outcome.OUT_OF_ACCOUNT}
