"""What a source with a browser's key can't do to the others."""

import pytest
from wire import GOOD

from postroad.clock import ManualClock
from postroad.config import key_hash
from postroad.contract.calls import Type
from postroad.ingest.ingest import Ingest
from postroad.ingest.keyring import ApiSource, KeyRing
from postroad.ingest.senders import Senders
from postroad.ingest.tally import IngestTally
from postroad.log.embedded.options import LogOptions
from postroad.regions import IngestStores
from postroad.rejections import Quota, Quotas, Rejections, RejectionsReader
from postroad.testing.memory_log import MemoryLog


class World:
    """A region with an app and a public source, a dedup window of 4 ids and room for 2 rejections of each class."""

    def __init__(self, folder):
        clock = ManualClock()
        self.log, self.tally = MemoryLog(clock, LogOptions(window_ids=4)), IngestTally()
        quota = Quota(2, 1 << 20)
        self.rejections = Rejections.open(folder / "rejections.db", Quotas(quota, quota, quota))
        self.reader = RejectionsReader(folder / "rejections.db")
        sources = [
            ApiSource("app", "us", always_strict=False),
            ApiSource("web", "us", always_strict=False, is_public=True),
        ]
        senders = Senders(KeyRing({key_hash(source.name): source for source in sources}))
        self.ingest = Ingest(senders, {"us": IngestStores(self.log, self.rejections)}, clock, self.tally, str)

    async def send(self, key, body):
        """Send a call that is answered 200."""

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        headers = {b"authorization": f"Bearer {key}".encode()}
        assert (await self.ingest.call(Type.TRACK, {"path": "/v1/track"}, headers, receive)).status == 200


@pytest.fixture
async def world(tmp_path):
    """A region with nothing in it."""
    world = World(tmp_path)
    yield world
    await world.rejections.close()


def event(message_id):
    """Return a call with a message id."""
    return GOOD[:-1] + b',"messageId":"%b"}' % message_id.encode()


async def test_a_flood_of_ids(world):
    """Whatever ids a public source sends, an app's repeats are still recognised; its own window is as short."""
    await world.send("app", event("a"))
    for turn in range(20):
        await world.send("web", event(f"{turn}"))
    for key, message_id in (("app", "a"), ("web", "19"), ("web", "0")):
        await world.send(key, event(message_id))
    assert world.tally.items["us", "app", "duplicate"] == 1
    assert world.tally.items["us", "web", "duplicate"] == 1
    assert world.tally.items["us", "web", "accepted"] == 21
    assert [window.ids for window in world.log.windows] == [1, 4]


async def test_a_flood_of_rejections(world):
    """Whatever a public source sends that is no event, the rejections of an app stay."""
    await world.send("app", b"no json")
    for _ in range(10):
        await world.send("web", b"no json")
    assert [one.source for one in await world.reader.newest()] == ["web", "web", "app"]
    counts = await world.reader.counts()
    assert (counts.known.kept, counts.public.kept, counts.public.evicted) == (1, 2, 8)
