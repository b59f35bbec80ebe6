"""The state of a region can be told whatever state its files are in."""

import json

from postroad.clock import ManualClock
from postroad.errors import StoreUnavailable
from postroad.inspection.status import RegionView
from postroad.ledger.reader import SqliteLedgerReader
from postroad.log.memory import MemoryLog
from postroad.web.health import readyz


async def test_a_ledger_that_cant_be_read(tmp_path):
    """The region's figures are told without the destinations', and with what keeps the ledger from being read."""
    (tmp_path / "us").mkdir()
    (tmp_path / "us" / "ledger.db").write_bytes(b"garbage" * 1000)
    clock = ManualClock()
    ledger = SqliteLedgerReader(tmp_path / "us" / "ledger.db")
    status = await RegionView("us", tmp_path, 0, log=MemoryLog(clock), ledger=ledger, clock=clock).status()
    assert (status.region, status.delivering, list(status.destinations)) == ("us", False, [])
    assert "ledger.db" in status.trouble
    answer = await readyz(lambda: _looked([status]))
    assert json.loads(answer.body)["regions"][0]["delivering"] is False
    await ledger.close()


async def test_a_log_that_cant_be_read():
    """Nobody can say that events are accepted: 503, without the names of files."""

    async def look():
        raise StoreUnavailable("/secret/place is damaged")

    answer = await readyz(look)
    assert answer.status == 503
    assert b"/secret/place" not in answer.body


async def _looked(found):
    return found
