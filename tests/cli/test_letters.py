"""Which dead letters are meant, over all regions and sources."""

import msgspec
import pytest

from postroad.cli.letters import meant
from postroad.clock import SystemClock
from postroad.config.loading import load_document
from postroad.contract.stored import make_key
from postroad.ledger.base import DeadLetter, Outcome, Settlement
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.operations.dead import Narrowed
from postroad.storage.layout import region_files


@pytest.fixture
async def config(tmp_path):
    """Two regions: in `us` `a` of two sources has died, in `eu` `b`, at the offset of the first `a`."""
    places = {"hook": {"type": "console"}, "hook-eu": {"type": "console", "region": "eu"}}
    regions = {"us": {}, "eu": {}}
    document = {"server": {"data_dir": str(tmp_path)}, "regions": regions, "destinations": places}
    found = load_document(document, {})
    for region, keys in {"us": (make_key("app", "a"), make_key("shop", "a")), "eu": (make_key("app", "b"),)}.items():
        files = region_files(tmp_path, region)
        files.folder.mkdir()
        ledger = SqliteLedger.open(files.ledger)
        account = await ledger.open_account("hook" if region == "us" else "hook-eu", start=0, at=1)
        letters = [DeadLetter(offset, key, b"v", "E", "gone", 1, 1, 1) for offset, key in enumerate(keys)]
        died = dict.fromkeys(range(len(keys)), Outcome.DEAD)
        await ledger.settle(account.number, Settlement(died, {0: len(keys)}, 1 << 16, (), letters))
        await ledger.close()
    return found


@pytest.mark.parametrize(
    ("names", "places", "missing"),
    [
        (["a", "b"], [("us", 0), ("us", 1), ("eu", 0)], 0),
        (["a", "nothing"], [("us", 0), ("us", 1)], 1),
        (["nothing", "nobody"], [], 2),
    ],
)
async def test_message_ids_that_are_no_dead_letters(config, names, places, missing):
    """Each message id that was named counts once, however many dead letters have it and wherever they are."""
    found = await meant(config, None, Narrowed(message_ids=names), SystemClock())
    assert [(place.region, place.offset) for place in found.served] == places
    assert found.missing == missing


async def test_offsets_that_are_no_dead_letters(config):
    """An offset that was named and is no dead letter is missing, also when it is named twice."""
    found = await meant(config, "us", Narrowed("hook", offsets=[0, 7, 7]), SystemClock())
    assert ([place.offset for place in found.served], found.missing) == ([0], 1)


async def test_those_of_held_destinations(config):
    """A dead letter whose destination is gone from the configuration is not one that somebody would send again."""
    held = msgspec.structs.replace(config, destinations={"hook-eu": config.destinations["hook-eu"]})
    found = await meant(held, None, Narrowed(message_ids=["a", "b"]), SystemClock())
    assert [(place.region, place.offset) for place in found.served] == [("eu", 0)]
    assert [(place.region, place.offset) for place in found.ended] == [("us", 0), ("us", 1)]
