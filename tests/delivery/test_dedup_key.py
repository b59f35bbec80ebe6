"""What a receiver tells duplicates by: no other source's, and at every try the same."""

import sqlite3

import pytest
from batched import Batched
from bench import Scripted, calm, plan, stored

from postroad.contract.stored import make_key
from postroad.delivery.items import make_event
from postroad.destinations.base import BatchLimits, Retry
from postroad.destinations.dedup import KeyForm, dedup_key, event_key
from postroad.ledger.base import FrozenBatch, Outcome, RetryRow, Settlement
from postroad.ledger.sqlite import schema
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import Record
from postroad.storage import files
from postroad.storage.store import migrate

BUSY = Retry("busy", 10)


class Noting(Scripted):
    """Notes the key of every try."""

    def __init__(self, script=None, **more):
        super().__init__(script, **more)
        self.keys = []

    async def send(self, events):
        """Note, and do what the script says."""
        self.keys += [event.dedup_key for event in events]
        return await super().send(events)


def digest(message_id):
    """Return what an event of the tests is told by."""
    return str(event_key("us", "app", message_id))


def test_no_source_stands_in_for_another():
    """One message id from two sources or regions makes keys that differ; one event has the same key for ever."""
    same = [("us", "app", "m"), ("us", "web", "m"), ("eu", "app", "m"), ("us", "app", "n"), ("us", "a", "ppm")]
    assert len({dedup_key(KeyForm.DIGEST, *one) for one in same}) == len(same)
    assert digest("m") == "10c0d308-2fbd-79d7-88b8-94c54f154666"
    assert dedup_key(KeyForm.MESSAGE_ID, "us", "app", "m") == "m"


def test_the_source_counts(bench_record):
    """The key of a stored event is made of the source and the message id that it is stored under."""
    record, stored = bench_record
    assert make_event(record, stored, "us").dedup_key == str(event_key("us", "web", "m"))
    assert make_event(record, stored, "us", KeyForm.MESSAGE_ID).dedup_key == "m"


@pytest.fixture
def bench_record():
    """A stored event of the source `web`."""
    return Record(7, make_key("web", "m"), b"v"), stored()


@pytest.mark.parametrize(("form", "key"), [(KeyForm.DIGEST, digest("a")), (KeyForm.MESSAGE_ID, "a")])
async def test_a_retry_keeps_its_key(bench, form, key):
    """However often, and whatever the operator has changed meanwhile; what was never tried goes by what is said now."""
    await bench.append("a")
    first = Noting({"a": [BUSY, BUSY]})
    await bench.start(first, plan()._replace(form=form))
    await bench.pass_time(12)
    await bench.kill()
    other = KeyForm.MESSAGE_ID if form else KeyForm.DIGEST
    again = Noting({"a": [BUSY]})
    await bench.start(again, plan()._replace(form=other))
    await bench.pass_time(40)
    await bench.append("b")
    await calm()
    assert first.keys == [key, key]
    assert again.keys[0] == key
    assert again.keys[-1] == ("b" if form else digest("b"))


async def test_a_frozen_batch_keeps_its_keys(bench):
    """A batch that was frozen before there was a choice goes out by the bare ids, whatever is configured now; what is
    read after it by digests.
    """
    await bench.ledger.open_account("hook", start=0, at=0)
    offsets = await bench.append("a", "b", "c")
    await bench.ledger.freeze_batches(1, [FrozenBatch(offsets[:2], 0, 0, 0, "")])
    keys = []

    class Keyed(Batched):
        async def send(self, events):
            keys.append([event.dedup_key for event in events])
            return await super().send(events)

    await bench.start(Keyed(), plan(concurrency=1)._replace(batch=BatchLimits(3, 1 << 20, 0, frozen=True)))
    await bench.pass_time(1)
    assert sorted(keys) == sorted([["a", "b"], [digest("c")]])


async def test_an_upgrade_keeps_the_keys_of_what_was_tried(tmp_path):
    """Rows of a ledger from before there was a choice stand for the bare id, also for a reader that sees them before
    they are brought over; a dead letter hands its form on when it is resent.
    """
    path = tmp_path / "ledger.db"
    db = files.connect_writer(path)
    migrate(db, path, schema.KIND, schema.STEPS[:2])
    db.execute("INSERT INTO account (destination, start, cursor, opened_at, kept_from) VALUES ('hook', 0, 0, 0, 0)")
    db.execute("INSERT INTO outcome VALUES (1, 0, x'020300')")
    db.execute("INSERT INTO total VALUES (1, 2, 1), (1, 3, 1)")
    db.execute("INSERT INTO retry VALUES (1, 0, 100, 1, 50, '503', NULL, NULL)")
    db.execute("INSERT INTO dead VALUES (1, 1, x'6b', x'76', 'E', '410', 9, 5, 3, 0)")
    db.close()
    reader = SqliteLedgerReader(path)
    assert [row.form for row in await reader.retries(1, due_at=None, limit=9)] == [KeyForm.MESSAGE_ID]
    assert [letter.form for letter in await reader.dead(1)] == [KeyForm.MESSAGE_ID]
    assert await reader.floor(1) == 0
    await reader.close()
    ledger = SqliteLedger.open(path)
    tried = RetryRow(2, 300, 1, 60, "503", form=KeyForm.DIGEST)
    await ledger.settle(1, Settlement({2: Outcome.RETRY}, {0: 3}, retries=[tried]))
    await ledger.resend(1, [1], 200)
    assert [row.form for row in await ledger.retries(1, due_at=None, limit=9)] == [0, 0, 1]
    await ledger.close()
    with sqlite3.connect(path) as read:
        assert read.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() == (3,)
    read.close()
