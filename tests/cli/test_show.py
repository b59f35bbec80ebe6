"""Show tells of what waits, and why."""

import pytest
from server import Server

from postroad.clock import SystemClock
from postroad.contract.calls import Type
from postroad.contract.decode import decode
from postroad.contract.stored import make_key, pack
from postroad.ledger.base import FrozenBatch
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import Entry
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.storage.layout import region_files

EVENT = b'{"userId":"u1","event":"Email Opened","messageId":"%s"}'


@pytest.fixture
async def frozen(tmp_path, verbs):
    """What a stopped server left: two events in a frozen batch that failed five times at `lake`."""
    server = Server(tmp_path, '[destinations.lake]\ntype = "file"\n')
    files = region_files(server.data, "us")
    files.folder.mkdir(parents=True)
    log = SqliteLog.open(files.log, SystemClock(), LogOptions(disk_floor=0))
    entries = [
        Entry(make_key("app", name), pack(decode(EVENT % name.encode(), Type.TRACK, 5, str), 5)) for name in ("a", "b")
    ]
    offsets = (await log.append(entries)).offsets
    await log.close()
    ledger = SqliteLedger.open(files.ledger)
    await ledger.open_account("lake", start=0, at=1)
    await ledger.freeze_batches(1, [FrozenBatch(offsets, 1_000_000, 5, 1, "answered 503: slow down")])
    await ledger.close()
    return verbs(server.config)


async def test_a_frozen_batch(frozen):
    """An event of a batch that failed waits for another try: when, after how many, and why the last one failed."""
    status, out, err = await frozen.run("show", "a")
    assert (status, err) == (0, "")
    assert (
        "lake: waiting for another try, in one frozen batch with 1 others, tries so far: 5, next at "
        "1970-01-01T00:00:01.000Z or as soon as it may be sent to\n  why it waits: answered 503: slow down\n"
    ) in out
