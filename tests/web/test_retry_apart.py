"""Rejections of a batch that was taken apart are retried as all others are."""

import msgspec
import pytest
import pytest_asyncio

from postroad.clock import ManualClock
from postroad.contract.stored import read_key
from postroad.ingest.keeping import Keeper
from postroad.ingest.keyring import ApiSource
from postroad.ingest.retry import Retry, RetryRegion
from postroad.ingest.tally import IngestTally
from postroad.regions import IngestStores
from postroad.rejections import Rejection, Rejections, RejectionsReader
from postroad.testing.memory_log import MemoryLog

GOOD = b'{"type":"track","userId":"u","event":"e","messageId":"%b"}'
HALF = rb'"\ud83d"'


class Store:
    """The rejections and the log of one region, and what retries between them."""

    def __init__(self, folder):
        self.clock = ManualClock()
        self.log, self.rejections = MemoryLog(self.clock), Rejections.open(folder / "rejections.db")
        self.reader = RejectionsReader(folder / "rejections.db")
        regions = {"us": IngestStores(self.log, self.rejections)}
        self.retry = Retry(
            {"us": RetryRegion(self.rejections, self.reader)},
            {"app": ApiSource("app", "us", always_strict=False)},
            Keeper(regions, IngestTally(), self.clock),
            clock=self.clock,
        )

    async def retried(self, body, place):
        """Reject a body that came in a batch, retry it, and return what was said, and what is in the log then."""
        rejection = Rejection(
            at=1, source="app", code="not_json", details=(), path="/v1/batch", size=len(body), key_fingerprint="",
            body=body, index=place,
        )  # fmt: skip
        [number] = await self.rejections.record((rejection,))
        answer = await self.retry.answer(msgspec.json.encode({"region": "us", "ids": [number]}))
        assert answer.status == 200
        told = msgspec.json.decode(answer.body)
        reasons = [reason for refused in told["refused"] for reason in refused["reasons"]]
        stored = [read_key(record.key)[1] for block in await self.log.read(0, 1 << 30) for record in block.records]
        assert (await self.reader.get(number) is None) == (not reasons)
        return reasons, stored


@pytest_asyncio.fixture
async def store(tmp_path):
    """A region without anything in it."""
    store = Store(tmp_path)
    yield store
    await store.rejections.close()


@pytest.mark.parametrize(
    "item", [b'{"x":%b}' % HALF, b'{"a":}', b"", b'{"x":"\xff"}', b'{"a":[}', b"{}{}", b"undefined"]
)
async def test_an_item_that_is_still_bad_stays_with_its_reason(store, item):
    """What could not be read can't be read now: one reason, and the rejection stays."""
    reasons, stored = await store.retried(item, 3)
    assert (len(reasons), stored) == (1, [])


async def test_an_item_that_is_good_by_now_is_stored(store):
    """What an older version refused is an event, and no rejection any more."""
    assert await store.retried(GOOD % b"m", 3) == ([], ["m"])


async def test_a_whole_batch_that_an_older_version_rejected(store):
    """Half a character beside the items made one rejection of all of them: retried, they are stored."""
    items = b",".join([GOOD % b"a", GOOD % b"b"])
    assert await store.retried(b'{"batch":[%b],"x":%b}' % (items, HALF), None) == ([], ["a", "b"])
