"""Retrying rejections in the ingest process: as if they came now, and once."""

import re

import msgspec
import pytest

from postroad.clock import ManualClock
from postroad.contract.stored import make_key, read_key, unpack
from postroad.errors import StoreUnavailable
from postroad.ingest.keeping import Keeper
from postroad.ingest.keyring import ApiSource
from postroad.ingest.request import Oversized
from postroad.ingest.retry import Retry, RetryRegion
from postroad.ingest.tally import IngestTally
from postroad.regions import IngestStores
from postroad.rejections import Rejection, Rejections, RejectionsReader
from postroad.testing.memory_log import MemoryLog

GOOD = b'{"type":"track","userId":"u","event":"E"}'


class World:
    """A region with its rejections, and what retries them."""

    def __init__(self, folder):
        self.clock = ManualClock()
        self.log = MemoryLog(self.clock)
        self.rejections = Rejections.open(folder / "rejections.db")
        self.reader = RejectionsReader(folder / "rejections.db")
        self.tally = IngestTally()
        sources = {name: ApiSource(name, region, always_strict=True) for name, region in (("app", "us"), ("far", "eu"))}
        self.retry = Retry(
            {"us": RetryRegion(self.rejections, self.reader)},
            sources,
            Keeper({"us": IngestStores(self.log, self.rejections)}, self.tally, self.clock),
            clock=self.clock,
        )

    async def reject(self, body, *, path="/v1/track", index=None, source="app"):
        """Keep a rejection; returns its id."""
        rejection = Rejection(1, source, "not_json", (), path, 9, "", body, index)
        return (await self.rejections.record([rejection]))[0]

    async def ask(self, *ids):
        """Ask for a retry; returns what is told."""
        answer = await self.retry.answer(msgspec.json.encode({"region": "us", "ids": ids}))
        assert answer.status == 200
        return msgspec.json.decode(answer.body)

    async def events(self):
        """Return the events in the log."""
        return [record for block in await self.log.read(0, 1 << 20) for record in block.records]


@pytest.fixture
async def world(tmp_path):
    """A region with nothing in it."""
    world = World(tmp_path)
    yield world
    await world.rejections.close()


async def test_retried(world):
    """What can be an event by now is stored as its source's, received now, and its rejection is let go."""
    number = await world.reject(GOOD)
    world.clock.advance(60)
    assert await world.ask(number) == {"retried": [number], "refused": []}
    (record,) = await world.events()
    source, message_id = read_key(record.key)
    assert source == "app"
    assert re.fullmatch("postroad-[0-9a-f]{32}", message_id)
    assert unpack(record.value).received_at == world.clock.now()
    assert await world.reader.get(number) is None
    assert (await world.reader.counts()).known.removed == 1
    assert world.tally.items["us", "app", "accepted"] == 1


async def test_items_and_batches(world):
    """An item of a batch is retried by its own type, and a batch that could not be read as a whole."""
    item = await world.reject(b'{"type":"identify","userId":"u","messageId":"m1"}', path="/v1/batch", index=4)
    batch = await world.reject(b'{"batch":[%b,%b]}' % (GOOD, GOOD), path="/v1/batch")
    assert (await world.ask(item, batch))["retried"] == [item, batch]
    keys = [record.key for record in await world.events()]
    assert keys[0] == make_key("app", "m1")
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("body", "options", "why"),
    [
        (b"no json", {}, "JSON"),
        (None, {}, "not kept"),
        (GOOD, {"source": "gone"}, "no longer configured"),
        (GOOD, {"source": "far"}, "no longer configured"),
        (GOOD, {"path": "/hooks/x"}, "can't be retried"),
        (b'{"batch":[%b,1]}' % GOOD, {"path": "/v1/batch"}, "object"),
    ],
)
async def test_what_stays(world, body, options, why):
    """What can't be an event stays as it is, with its reasons, and nothing of it is stored."""
    number = await world.reject(body, **options)
    told = await world.ask(number)
    assert told["retried"] == []
    assert told["refused"][0]["id"] == number
    assert why in " ".join(told["refused"][0]["reasons"])
    assert await world.events() == []
    assert await world.reader.get(number) is not None


async def test_gone_already(world):
    """An id that is not there is told; it is no error."""
    number = await world.reject(GOOD)
    told = await world.ask(number, number, 99)
    assert told["retried"] == [number]
    assert [one["id"] for one in told["refused"]] == [99]


async def test_a_crash_in_between(world, monkeypatch):
    """Stored and not yet let go: retried again, it is a duplicate of itself."""
    number = await world.reject(GOOD)

    async def fail(_ids):
        raise StoreUnavailable("crashed")

    with monkeypatch.context() as patch:
        patch.setattr(world.rejections, "remove", fail)
        answer = await world.retry.answer(msgspec.json.encode({"region": "us", "ids": [number]}))
        assert answer.status == 503
    assert (await world.ask(number))["retried"] == []
    assert len(await world.events()) == 1
    assert world.tally.items["us", "app", "duplicate"] == 1


async def test_nobody_guesses_the_id(world, tmp_path):
    """The id that a retry gives to an event without one is another in every process: nobody takes it beforehand."""
    number = await world.reject(GOOD)
    await world.ask(number)
    await world.rejections.close()
    other = World(tmp_path / "other")
    assert await other.reject(GOOD) == number
    await other.ask(number)
    (one,), (two,) = await world.events(), await other.events()
    await other.rejections.close()
    assert one.key != two.key


async def test_what_meets_a_duplicate_stays(world):
    """A rejection whose event has the id of a stored one is kept, and it is told which event stands in its way."""
    first = await world.reject(b'{"userId":"u","event":"E","messageId":"m1"}')
    await world.ask(first)
    second = await world.reject(b'{"userId":"v","event":"F","messageId":"m1"}')
    told = await world.ask(second)
    assert told["retried"] == []
    ((sentence,),) = [one["reasons"] for one in told["refused"]]
    (record,) = await world.events()
    assert "messageId: " in sentence
    assert "m1" in sentence
    assert f"offset {record.offset}" in sentence
    assert await world.reader.get(second) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"region":"us"}',
        b'{"region":"eu","ids":[1]}',
        b'{"region":"us","ids":["1"]}',
        b'{"region":"us","ids":[9223372036854775808]}',
        Oversized(9),
    ],
)
async def test_bad_questions(world, body):
    """A question that makes no sense is refused with 400."""
    assert (await world.retry.answer(body)).status == 400
