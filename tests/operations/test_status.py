"""The state of a region can be told whatever state its files are in."""

import json
from dataclasses import replace
from functools import partial

import msgspec
import pytest

from postroad.clock import ManualClock
from postroad.errors import StoreUnavailable
from postroad.ledger.base import Outcome, RetryRow, Settlement
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.log.base import Entry, offset_of
from postroad.log.embedded.reader import SqliteLogReader
from postroad.operations import figures as figures_module
from postroad.operations.status import status_of
from postroad.regions import open_region
from postroad.storage.files import Lock
from postroad.storage.layout import delivery_pulse, region_files
from postroad.storage.pulse import Pulse, write_pulse
from postroad.testing.memory_ledger import MemoryLedger
from postroad.testing.memory_log import MemoryLog
from postroad.web.health import readyz
from postroad.web.metrics import metrics

DELIVERED = Outcome.DELIVERED


def region(data_dir, configured, log, ledger):
    """Return a region with these stores."""
    opened = open_region("us", region_files(data_dir, "us"), ManualClock(), configured=configured)
    return replace(opened, log=log, ledger=ledger)


async def test_a_ledger_that_cant_be_read(tmp_path):
    """The region's figures are told without the destinations', and with what keeps the ledger from being read."""
    (tmp_path / "us").mkdir()
    (tmp_path / "us" / "ledger.db").write_bytes(b"garbage" * 1000)
    clock = ManualClock()
    ledger = SqliteLedgerReader(tmp_path / "us" / "ledger.db")
    status = await status_of(region(tmp_path, ["crm"], MemoryLog(clock), ledger), clock)
    assert (status.region, status.delivering, list(status.destinations)) == ("us", False, [])
    assert "ledger.db" in status.trouble
    answer = await readyz(lambda: _looked([status]))
    # All of it: anybody may ask, so it names no destination.
    assert json.loads(answer.body)["regions"] == [{"region": "us", "accepting": False, "delivering": False}]
    await ledger.close()


async def test_a_log_of_one_region_that_cant_be_read(tmp_path):
    """Its region is told without the log's figures, which are no zeros in the metrics, and with what is wrong."""
    (tmp_path / "us").mkdir()
    (tmp_path / "us" / "log").write_bytes(b"a file in the folder's place")
    clock = ManualClock()
    log = SqliteLogReader(tmp_path / "us" / "log", clock)
    ledger = MemoryLedger()
    status = await status_of(region(tmp_path, ["crm"], log, ledger), clock)
    assert (status.accepting, status.appended, status.log_size) == (False, None, None)
    assert str(tmp_path / "us" / "log") in status.trouble
    assert "postroad_log_appended{" not in metrics([status], []).body.decode()
    await log.close()


@pytest.mark.parametrize(
    ("states", "trouble", "delivering"),
    [
        ({}, "", True),
        ({"crm": "running"}, "", True),
        ({"crm": "waiting: ledger.db is malformed", "file": "running"}, "", True),
        ({"crm": "paused: HTTP 401"}, "", True),
        ({"crm": "waiting: ledger.db is malformed", "file": "waiting: ledger.db is malformed"}, "", False),
        ({"crm": "running"}, "ledger.db: is gone", False),
    ],
)
async def test_whether_a_region_delivers(tmp_path, states, trouble, delivering):
    """A region does not deliver when its ledger can't be used or every loop of it waits for a store."""
    (tmp_path / "us").mkdir()
    clock, ledger = ManualClock(), MemoryLedger()
    lock = Lock(tmp_path / "us" / "ledger.lock")
    write_pulse(delivery_pulse(tmp_path), Pulse(clock.now(), 1, "", states={"us": states}, troubles={"us": trouble}))
    log = MemoryLog(clock)
    status = await status_of(region(tmp_path, ["crm"], log, ledger), clock)
    assert (status.delivering, status.trouble) == (delivering, trouble)
    lock.release()


async def test_a_log_that_cant_be_read():
    """Nobody can say that events are accepted: 503, without the names of files."""

    async def look():
        raise StoreUnavailable("/secret/place is damaged")

    answer = await readyz(look)
    assert answer.status == 503
    assert b"/secret/place" not in answer.body


@pytest.fixture
async def view(tmp_path):
    """A region with a log, a ledger and one destination; the view of it."""
    clock = ManualClock()
    log, ledger = MemoryLog(clock), MemoryLedger()
    await ledger.open_account("crm", start=0, at=1)
    return partial(status_of, region(tmp_path, ["crm"], log, ledger), clock), log, ledger


async def test_what_waits(view):
    """Events beside the cursor that have an outcome are not waiting, whichever it is, nor are those behind it."""
    look, log, ledger = view
    for block in range(3):
        await log.append([Entry(b"app\0%d-%d" % (block, place), b"") for place in range(4)])
    await ledger.settle(1, Settlement(dict.fromkeys(range(4), DELIVERED), {0: 4}, offset_of(1, 1)))
    begun = {offset_of(1, 0): DELIVERED, offset_of(1, 2): Outcome.RETRY, offset_of(2, 3): DELIVERED}
    retry = RetryRow(offset_of(1, 2), 9000, 1, 1000, "busy")
    await ledger.settle(1, Settlement(begun, {1: 4, 2: 4}, None, [retry]))
    (place,) = (await look()).destinations
    assert (place.waiting, place.retrying, place.outcomes["delivered"]) == (5, 1, 6)
    assert place.waiting + sum(place.outcomes.values()) == 12


async def test_looking_at_what_waits_is_bounded(view, monkeypatch):
    """However many blocks were begun beyond the cursor, only so many are read; what is settled further on counts as
    waiting.
    """
    monkeypatch.setattr(figures_module, "_PAGE", 2)
    monkeypatch.setattr(figures_module, "_MOST_PAGES", 2)
    look, log, ledger = view
    for block in range(9):
        await log.append([Entry(b"app\0%d-%d" % (block, place), b"") for place in range(2)])
        await ledger.settle(1, Settlement({offset_of(block, 1): DELIVERED}, {block: 2}))
    asked, blocks = [], ledger.blocks

    async def counted(account, **limits):
        asked.append(limits)
        return await blocks(account, **limits)

    monkeypatch.setattr(ledger, "blocks", counted)
    (place,) = (await look()).destinations
    assert asked == [{"after": -1, "limit": 2}, {"after": 1, "limit": 2}]
    assert place.waiting == 18 - 4


async def test_what_is_held(view, tmp_path):
    """A destination that is not configured is held, also one that only has a starting offset, and about so much of the
    log with it; the figures of an account that was taken over are those of who took it over.
    """
    _, log, ledger = view
    for block in range(4):
        await log.append([Entry(b"app\0%d-%d" % (block, place), b"v" * 100) for place in range(4)])
    await ledger.open_account("hubspot", start=offset_of(3, 0), at=1)
    await ledger.settle(1, Settlement({0: DELIVERED}, {0: 4}, 1))
    (tmp_path / "us").mkdir()
    (tmp_path / "us" / "destinations.json").write_text(f'{{"crm": 0, "late": {offset_of(2, 0)}, "new": 0}}')
    look = partial(status_of, region(tmp_path, ["hubspot", "new"], log, ledger), ManualClock())
    places = {place.id: place for place in (await look()).destinations}
    assert {name: (place.state, place.waiting) for name, place in places.items()} == {
        "crm": ("held: not in the configuration", 15),
        "hubspot": ("not running", 4),
        "late": ("held: not in the configuration", 8),
    }
    size = (await log.state()).size
    assert [places[name].log_bytes for name in ("crm", "late")] == [size, size // 2]
    assert not places["crm"].running
    await ledger.end_account(1, offset_of(3, 0), at=1, by="taken over")
    await ledger.rename("crm", "hubspot")
    (tmp_path / "us" / "destinations.json").unlink()
    (place,) = (await look()).destinations
    assert (place.id, place.waiting, place.outcomes, place.log_bytes) == ("hubspot", 15, {"delivered": 1}, size)
    await ledger.settle(1, Settlement({}, {}, offset_of(3, 0)))
    (place,) = (await look()).destinations
    assert (place.waiting, place.log_bytes) == (4, size // 4)


@pytest.mark.parametrize(
    ("state", "running"),
    [
        ("running", 1),
        ("running; the last try failed: HTTP 503", 1),
        ("open: HTTP 503; next try in 5 seconds", 0),
        ("paused: HTTP 401; next try in 5 seconds", 0),
        ("waiting: the ledger can't be read", 0),
        ("not running", 0),
    ],
)
async def test_whether_a_destination_is_running(view, state, running):
    """The metric is 1 while events are sent to a destination, also when the last try failed, and else 0."""
    look, _, _ = view
    status = await look()
    places = [msgspec.structs.replace(place, state=state) for place in status.destinations]
    page = metrics([msgspec.structs.replace(status, destinations=places)], []).body.decode()
    assert f'postroad_delivery_running{{destination="crm",region="us"}} {running}.0\n' in page


async def _looked(found):
    return found
