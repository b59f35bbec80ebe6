"""Stores that can't be used are said once and tried every second."""

import asyncio
import contextlib

import pytest
import structlog

from postroad.clock import ManualClock
from postroad.errors import StoreError, StoreLocked, StoreUnavailable, StoreVersion
from postroad.log.base import Entry
from postroad.log.embedded.log import SqliteLog
from postroad.log.embedded.options import LogOptions
from postroad.log.late import LateLog
from postroad.runtime.loops import heal


class Store:
    """A store with a trouble; `checks` counts how often it was tried."""

    def __init__(self, trouble):
        self.trouble = trouble
        self.checks = 0

    async def check(self):
        self.checks += 1
        return not self.trouble


async def test_it_is_said_once_and_tried_every_second():
    """However long it lasts, the log has one line when it begins and one when it ends, and the next time again."""
    clock, store = ManualClock(), Store("ledger.db: is gone")
    with structlog.testing.capture_logs() as said:
        task = asyncio.create_task(heal("us", "ledger", store, clock))
        for trouble in ["ledger.db: is gone"] * 5 + ["", "", "again", "again", ""]:
            store.trouble = trouble
            for _ in range(5):
                await asyncio.sleep(0)
            clock.advance(1.0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert [line["log_level"] for line in said] == ["error", "info", "error", "info"]
    assert (said[0]["region"], said[0]["store"], said[0]["why"]) == ("us", "ledger", "ledger.db: is gone")
    assert store.checks >= 7


class Opening:
    """Opens a log, or writes starting offsets, unless told to fail."""

    def __init__(self, folder, clock):
        self.fails = None
        self.write_fails = None
        self.written = 0
        self._folder = folder
        self._clock = clock

    async def make(self):
        if self.fails:
            raise self.fails
        return SqliteLog.open(self._folder, self._clock, LogOptions(disk_floor=0))

    async def write(self):
        if self.write_fails:
            raise self.write_fails
        self.written += 1


@pytest.mark.parametrize("error", [StoreError("damaged"), StoreUnavailable("full"), OSError(28, "full", "x")])
@pytest.mark.parametrize("at", ["fails", "write_fails"])
async def test_a_late_log_refuses_until_it_could_be_opened(tmp_path, error, at):
    """Nothing is taken before the log is open and the starting offsets are written; the next look heals it."""
    clock = ManualClock()
    opening = Opening(tmp_path / "log", clock)
    setattr(opening, at, error)
    log = LateLog(opening.make, opening.write)
    await log.open()
    for _ in range(2):
        assert not await log.check()
        assert (log.healthy, log.trouble, log.full, log.queued) == (False, str(error), False, 0)
        with pytest.raises(StoreUnavailable):
            await log.append([Entry(b"a", b"")])
    setattr(opening, at, None)
    assert await log.check()
    assert (log.healthy, log.trouble, opening.written) == (True, "", 1)
    assert len((await log.append([Entry(b"a", b"")])).offsets) == 1
    assert log.windows[0].ids == 1
    await log.close()
    with pytest.raises(StoreUnavailable):
        await log.append([Entry(b"b", b"")])


@pytest.mark.parametrize("error", [StoreLocked("another writes"), StoreVersion("newer")])
async def test_what_trying_again_cannot_cure_is_raised(tmp_path, error):
    """A log that another process writes, or that is newer, ends the start."""
    opening = Opening(tmp_path / "log", ManualClock())
    opening.fails = error
    with pytest.raises(type(error)):
        await LateLog(opening.make, opening.write).open()
