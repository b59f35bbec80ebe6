"""What a source may send a second: beyond it 429 in both modes, and no other source notices."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import GOOD

from postroad.clock import ManualClock
from postroad.config import key_hash
from postroad.config.source import SourceRate
from postroad.ingest.app import IngestApp
from postroad.ingest.browser import BrowserSettings
from postroad.ingest.ingest import Ingest
from postroad.ingest.keyring import ApiSource, KeyRing
from postroad.ingest.limits import BURST, SourceLimits
from postroad.ingest.senders import Senders
from postroad.ingest.tally import IngestTally
from postroad.rate import TokenBucket
from postroad.regions import IngestStores
from postroad.rejections import Rejections, RejectionsReader
from postroad.testing.memory_log import MemoryLog


class World:
    """Ingest without its HTTP server: `web` may send 2 events and 1000 bytes a second, `app` what it likes."""

    def __init__(self, folder):
        self.clock, self.tally, count = ManualClock(), IngestTally(), itertools.count()
        self.log, self.rejections = MemoryLog(self.clock), Rejections.open(folder / "rejections.db")
        self.reader = RejectionsReader(folder / "rejections.db")
        keys = {key_hash(name): ApiSource(name, "us", always_strict=False) for name in ("web", "app")}
        senders, stores = Senders(KeyRing(keys)), {"us": IngestStores(self.log, self.rejections)}
        limits = SourceLimits({"web": SourceRate(2, 1000), "app": SourceRate()}, self.clock, self.tally)
        ingest = Ingest(senders, stores, self.clock, self.tally, lambda: f"id-{next(count)}", limits=limits)
        self.app = IngestApp(ingest, BrowserSettings(senders), {}, self.tally, self.clock)

    async def post(self, key, body, *, path="/v1/track", strict=False, in_body=False):
        """Send a call; returns its status, headers and body, and whether its body was read."""
        sent, read = [], []
        headers = [] if in_body else [(b"authorization", f"Bearer {key}".encode())]
        headers += [(b"x-strict-mode", b"1")] if strict else []

        async def receive():
            read.append(True)
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": ("127.0.0.1", 1)}
        await self.app({**scope, "scheme": "http"}, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"]), bool(read)

    async def statuses(self, key, body, times, **options):
        """Send the same call several times; returns the statuses."""
        return [(await self.post(key, body, **options))[0] for _ in range(times)]

    async def stored(self):
        """Return how many events there are."""
        return (await self.log.state()).appended


@pytest.fixture
async def world(tmp_path):
    """Ingest with nothing stored."""
    world = World(tmp_path)
    yield world
    await world.rejections.close()


@pytest.mark.parametrize("strict", [True, False])
async def test_beyond_the_rate(world, strict):
    """Ten seconds' worth may come at once; then it is 429 with a time to come back, before the body is read, and
    nothing is stored; after that time it is taken again. A source without a rate goes on beside it.
    """
    assert await world.statuses("web", GOOD, 20, strict=strict) == [200] * 20
    status, headers, told, was_read = await world.post("web", GOOD, strict=strict)
    assert (status, told["code"], was_read) == (429, "over_rate", False)
    assert 5 <= int(headers[b"retry-after"]) <= 15
    assert await world.stored() == 20
    assert await world.statuses("app", GOOD, 50) == [200] * 50
    world.clock.advance(1)
    assert await world.statuses("web", GOOD, 3, strict=strict) == [200, 200, 429]
    assert world.tally.over_rate_in("us") == {"web": 2}
    assert world.tally.requests["us", 429] == 2


async def test_a_batch_counts_its_events(world):
    """A batch that is more than what is left is refused whole; one that is more than the burst is taken after a rest
    and paid for afterwards.
    """
    event = b'{"type":"track","userId":"u","event":"E"}'

    def batch(count):
        return b'{"batch":[%b]}' % b",".join([event] * count)

    assert await world.statuses("web", batch(15), 2, path="/v1/batch") == [200, 429]
    assert await world.statuses("web", batch(5), 2, path="/v1/batch", strict=True) == [200, 429]
    assert await world.stored() == 20
    world.clock.advance(BURST)
    assert await world.statuses("web", batch(40), 1, path="/v1/batch") == [200]
    world.clock.advance(BURST)
    assert await world.statuses("web", GOOD, 1) == [429]
    world.clock.advance(0.5)
    assert await world.statuses("web", GOOD, 2) == [200, 429]


async def test_bytes_count_too(world):
    """A few large events are as much as many small ones."""
    large = b'{"userId":"u","event":"E","properties":{"x":"%b"}}' % (b"x" * 4950)
    assert await world.statuses("web", large, 4) == [200, 200, 429, 429]


async def test_rejections_and_keys_in_the_body_count(world):
    """What can't become an event counts as one, and so does a call that names its source in its body only."""
    assert await world.statuses("web", b"no json", 12) == [200] * 12
    body = GOOD[:-1] + b',"writeKey":"web"}'
    assert await world.statuses("web", body, 9, in_body=True) == [200] * 8 + [429]
    assert (await world.reader.counts()).known.recorded == 12
    assert await world.stored() == 8


@given(st.floats(0.1, 1e4), st.lists(st.tuples(st.integers(1, 500), st.floats(0, 10)), min_size=1, max_size=50))
def test_what_is_let_in_keeps_the_rate(rate, offers):
    """Whatever is offered when, all that is let in is no more than the rate, the burst and the last offer."""
    bucket, now, taken, last = TokenBucket(rate, 0.0, burst=10), 0.0, 0, 0
    for count, pause in offers:
        now += pause
        if not bucket.wait(count, now):
            bucket.take(count, now)
            taken, last = taken + count, count
        assert taken - last <= now * rate + max(1.0, rate * 10) + 1e-6 * taken
