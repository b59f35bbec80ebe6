"""A region's stores, opened for whoever reads and for the one process that writes each."""

from dataclasses import replace

import pytest
import structlog

from postroad.clock import ManualClock
from postroad.config import Config, Server
from postroad.config import Region as Settings
from postroad.errors import StoreLocked, StoreUnavailable
from postroad.log.base import BLOCK_SPAN, Entry
from postroad.regions import Owed, open_for_delivery, open_for_ingest, open_region, open_regions
from postroad.rejections import Rejection
from postroad.storage.layout import region_files

ENTRY = Entry(b"app\0m1", b"v")


@pytest.fixture
async def region(tmp_path):
    """A region without files, with one destination."""
    opened = open_region("us", region_files(tmp_path, "us"), ManualClock(), Settings(disk_floor=0), ["crm"])
    yield opened
    await opened.close()


def ignore(_block, _why):
    """Nothing is damaged here."""


async def test_reading_creates_nothing(tmp_path):
    """Regions that are not there yet are empty and stay so, those that are not in the configuration too."""
    config = Config(server=Server(data_dir=tmp_path), regions={"us": Settings(disk_floor=7)})
    async with open_regions(config, ["us", "gone"], ManualClock()) as regions:
        assert [(one.name, one.settings.disk_floor) for one in regions] == [("us", 7), ("gone", 512 << 20)]
        for one in regions:
            assert (await one.log.state()).appended == 0
            assert await one.ledger.accounts() == []
            assert await one.rejections.newest() == []
            assert (dict(one.starting_offsets()), list(one.wrong_hashes())) == ({}, [])
            async with one.snapshot() as ledger:
                assert await ledger.accounts() == []
    assert list(tmp_path.iterdir()) == []


async def test_what_is_written_is_read(region):
    """Whoever holds a region sees what the two processes write, and from where on its destinations are owed events; a
    second writer is refused.
    """
    clock = ManualClock()
    async with (
        open_for_ingest(region, Owed(region, {}), clock) as stores,
        open_for_delivery(region, ignore, clock) as delivery,
    ):
        await stores.log.append([ENTRY])
        await stores.rejections.record([Rejection(1, "app", "not_json", (), "/v1/track", 2, "", b"no")])
        await delivery.ledger.open_account("crm", start=0, at=1)
        assert [block.records[0].value for block in await region.log.read(0, 100)] == [b"v"]
        assert [block.number for block in await delivery.log.read(0, 100)] == [0]
        assert [account.destination for account in await region.ledger.accounts()] == ["crm"]
        assert (await region.rejections.counts()).known.kept == 1
        assert region.starting_offsets() == {"crm": 0}
        assert (stores.trouble, delivery.ledger.trouble) == ("", "")
        for opening in (open_for_ingest(region, Owed(region, {}), clock), open_for_delivery(region, ignore, clock)):
            with pytest.raises(StoreLocked):
                await opening.__aenter__()


async def test_a_store_that_cant_be_opened_heals(region):
    """What keeps a log or a ledger closed is told, and what needs the store refused, until a look finds it gone."""
    region.files.folder.mkdir()
    for path in (region.files.log, region.files.ledger):
        path.write_bytes(b"in the way")
    clock = ManualClock()
    async with (
        open_for_ingest(region, Owed(region, {}), clock) as stores,
        open_for_delivery(region, ignore, clock) as delivery,
    ):
        assert str(region.files.log) in stores.trouble
        assert str(region.files.ledger) in delivery.ledger.trouble
        assert region.starting_offsets() == {}
        with pytest.raises(StoreUnavailable):
            await stores.log.append([ENTRY])
        for path in (region.files.log, region.files.ledger):
            path.unlink()
        assert await stores.log.check()
        assert await delivery.ledger.check()
        await stores.log.append([ENTRY])
        assert (stores.trouble, delivery.ledger.trouble, region.starting_offsets()) == ("", "", {"crm": 0})


async def test_the_log_goes_on_above_what_the_ledger_knows(region):
    """A log that is found behind the ledger never gives out an offset again; if it can't ask, it opens all the same."""
    clock = ManualClock()
    async with open_for_delivery(region, ignore, clock) as delivery:
        await delivery.ledger.open_account("crm", start=9 << 16, at=1)
    async with open_for_ingest(region, Owed(region, {}), clock) as stores:
        assert (await stores.log.append([ENTRY])).offsets[0] > 9 << 16
    region.files.ledger.write_bytes(b"garbage" * 1000)
    with structlog.testing.capture_logs() as said:
        async with open_for_ingest(region, Owed(region, {}), clock) as stores:
            assert stores.log.healthy
    assert [line["event"] for line in said] == ["the log opens without the ledger's word"]


async def test_a_lost_ledger_is_told(region):
    """A ledger that is made beside a log with events is told of, once; one beside an empty log is not."""
    clock, told = ManualClock(), []
    async with open_for_ingest(region, Owed(region, {}), clock) as stores:
        for lost in (False, True, False):
            if lost:
                await stores.log.append([ENTRY])
                region.files.ledger.unlink()
            with structlog.testing.capture_logs() as said:
                async with open_for_delivery(region, ignore, clock):
                    told.append(len(said))
    assert told == [0, 1, 0]


async def test_what_a_destination_was_called(region):
    """One that takes another over is owed what that one was."""
    for configured, former_ids in ((["crm"], {}), (["crm2"], {"crm2": "crm"})):
        configured_now = replace(region, configured=configured)
        async with open_for_ingest(configured_now, Owed(configured_now, former_ids), ManualClock()) as stores:
            await stores.log.append([Entry(configured[0].encode(), b"v")])
    assert region.starting_offsets() == {"crm2": 0}


async def test_other_destinations_while_the_log_is_open_and_before(region):
    """Destinations that come while the log is open are owed what comes from then on; where it can't be opened yet, as
    soon as it is.
    """
    clock = ManualClock()
    owed = Owed(replace(region, configured=["crm"]), {})
    async with open_for_ingest(region, owed, clock) as stores:
        await stores.log.append([ENTRY])
        await owed.change(["crm", "lake"], {}, now=True)
        assert region.starting_offsets() == {"crm": 0, "lake": BLOCK_SPAN}
    region.files.starting_offsets.unlink()
    await owed.change(["lake"], {}, now=False)
    assert region.starting_offsets() == {}
    async with open_for_ingest(region, owed, clock):
        assert region.starting_offsets() == {"lake": BLOCK_SPAN}
