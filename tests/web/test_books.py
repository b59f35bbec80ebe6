"""What ingest counts and keeps, with the embedded log beneath it."""

import json
from hashlib import sha256

import pytest
from wire import call

from postroad.clock import ManualClock
from postroad.contract.stored import make_key, unpack
from postroad.ingest.app import IngestApp
from postroad.ingest.browser import BrowserSettings
from postroad.ingest.ingest import Ingest
from postroad.ingest.keyring import ApiSource, KeyRing
from postroad.ingest.senders import Senders
from postroad.ingest.tally import IngestTally
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.reader import SqliteLogReader
from postroad.regions import IngestStores
from postroad.testing.memory_log import MemoryLog

KEY = "test-write-key"
GOOD = {"userId": "u", "event": "Email Opened", "properties": {"email_id": "1"}, "messageId": "m"}


class Unrecorded:
    """Rejections that only count."""

    def __init__(self):
        self.count = 0

    async def record(self, rejections):
        """Count them."""
        self.count += len(rejections)


class Edge:
    """Ingest without its HTTP server."""

    def __init__(self, log, new_message_id=lambda: "assigned-by-us", **options):
        self.tally, self.rejections = IngestTally(), Unrecorded()
        clock = ManualClock()
        keys = KeyRing({sha256(KEY.encode()).hexdigest(): ApiSource("app", "us", always_strict=False)})
        regions = {"us": IngestStores(log, self.rejections)}
        senders = Senders(keys)
        ingest = Ingest(senders, regions, clock, self.tally, new_message_id, **options)
        self._app = IngestApp(ingest, BrowserSettings(senders), {}, self.tally, clock)

    async def post(self, event, key=KEY):
        """Send an event; return the status and the body."""
        return await call(self._app, {"authorization": f"Bearer {key}"}, event)


async def test_an_answered_event_is_in_the_embedded_log(tmp_path):
    """When 200 is said, another process can read the event, under its source and id."""
    log = SqliteLog.open(tmp_path, ManualClock(), LogOptions(disk_floor=0))
    reader = SqliteLogReader(tmp_path, ManualClock())
    assert await Edge(log).post(GOOD) == (200, b"{}")
    record = await reader.find(make_key("app", "m"))
    event = unpack(record.value)
    assert event.received_at == ManualClock().now()
    assert json.loads(event.body) == {
        **GOOD,
        "type": "track",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "receivedAt": "2023-11-14T22:13:20.000Z",
    }
    await reader.close()
    await log.close()


async def test_duplicates_and_conflicts_are_counted_apart(tmp_path):
    """A retry is a duplicate; another event with a known id is a conflict; both are 200 and not stored."""
    log = SqliteLog.open(tmp_path, ManualClock(), LogOptions(disk_floor=0))
    edge = Edge(log)
    for event in (GOOD, GOOD, {**GOOD, "sentAt": "2024-01-15T10:30:00Z"}, {**GOOD, "userId": "another"}):
        assert await edge.post(event) == (200, b"{}")
    counts = {"accepted": 1, "duplicate": 2, "conflict": 1}
    assert edge.tally.items == {("us", "app", outcome): count for outcome, count in counts.items()}
    assert edge.tally.requests == {("us", 200): 4}
    await log.close()


async def test_events_without_an_id_are_never_duplicates():
    """Two calls that name no message id are two events: each gets an id of its own."""
    ids = iter(["one", "two"])
    edge = Edge(MemoryLog(ManualClock()), lambda: next(ids))
    for _ in range(2):
        await edge.post({**GOOD, "messageId": None})
    assert edge.tally.items == {("us", "app", "accepted"): 2}


@pytest.mark.parametrize(("always_strict", "status", "rejected"), [(False, 200, 1), (True, 401, 0)])
async def test_a_server_that_is_always_strict_tells_strangers(always_strict, status, rejected):
    """With `strict = "always"` for the whole server a wrong key is a 401, whatever the header says."""
    edge = Edge(MemoryLog(ManualClock()), always_strict=always_strict)
    assert (await edge.post(GOOD, key="other"))[0] == status
    assert edge.rejections.count == rejected


async def test_every_answer_of_200_is_counted_once():
    """Accepted, duplicate and rejected add up to what was answered 200."""
    edge = Edge(MemoryLog(ManualClock()))
    for event in (GOOD, GOOD, {"event": "nobody"}, {**GOOD, "messageId": "n", "properties": None}):
        assert (await edge.post(event))[0] == 200
    assert (await edge.post(GOOD, key="other"))[0] == 200
    assert sum(edge.tally.items.values()) == 5
    assert edge.tally.items["us", "app", "rejected"] == edge.tally.items["us", "", "rejected"] == 1
