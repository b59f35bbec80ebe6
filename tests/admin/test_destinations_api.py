"""The admin API: who is owed events, and what is held."""

from postroad.ledger.base import Outcome, Retry, Settlement
from postroad.log.base import BLOCK_SPAN
from postroad.storage.announced import announce

PATH = "/api/destinations/us"


async def hold(world):
    """Take the destination out of the configuration, with an event of its last block in retry."""
    world.configured.clear()
    offset = world.offsets[5]
    retry = Retry(offset, 9, 1, 1, "busy")
    await world.ledger.settle(2, Settlement({offset: Outcome.RETRY}, {offset >> 16: 1}, None, [retry]))


async def test_destinations(world):
    """Each is told with what it is owed; one that is not configured is held, also one that was only announced."""
    _, told = await world.ask("GET", "/api/destinations")
    crm = {"id": "crm", "region": "us", "state": "served", "heir": None, "waiting": 0, "retrying": 0, "dead": 4}
    assert told["destinations"] == [crm | {"replays": 0, "log_bytes": 0, "on_backlog_full": "refuse"}]
    await hold(world)
    await world.engine.open_replay("crm", start=0, end=BLOCK_SPAN)
    announce(world.region.files.announced, ["crm"], 0)
    announce(world.region.files.announced, ["early"], world.offsets[3])
    _, told = await world.ask("GET", "/api/destinations")
    held = [(one["id"], one["state"], one["waiting"], one["retrying"], one["replays"]) for one in told["destinations"]]
    assert held == [
        ("crm", "held: not in the configuration", 0, 1, 1),
        ("early", "held: not in the configuration", 3, 0, 0),
    ]
    assert all(one["log_bytes"] > 0 for one in told["destinations"])


async def test_what_is_written_off_is_told(world):
    """An abandoned destination is told until all that it was owed is written off."""
    await world.ledger.end_account(2, 9 * BLOCK_SPAN, at=1, by="abandoned")
    _, told = await world.ask("GET", "/api/destinations")
    assert [(one["id"], one["state"], one["waiting"]) for one in told["destinations"]] == [
        ("crm", "abandoned: being written off", 0)
    ]
    await world.ledger.settle(2, Settlement({}, {}, 9 * BLOCK_SPAN))
    assert (await world.ask("GET", "/api/destinations"))[1] == {"destinations": []}


async def test_abandon(world):
    """Whoever serves the region is asked; what it refuses, and a region that is not there, is a 400."""
    assert await world.ask("POST", f"{PATH}/my old.crm/abandon") == (200, {})
    assert world.engine.abandoned == ["my old.crm"]
    status, told = await world.ask("POST", f"{PATH}/crm/abandon")
    assert (status, told["message"]) == (400, "'crm' is in the configuration")
    status, told = await world.ask("POST", "/api/destinations/eu/crm/abandon")
    assert (status, told["message"]) == (400, "there is no region 'eu'")


async def test_dead_letters_of_a_held_destination(world):
    """They are listed, can't be resent until it is back, which the answer says, and can be dropped."""
    await hold(world)
    question = {"region": "us", "account": 2, "offsets": world.offsets[2:3]}
    _, told = await world.ask("GET", "/api/dead")
    assert not any(letter["served"] for letter in told["dead"])
    status, told = await world.ask("POST", "/api/dead/resend", question)
    assert (status, "'crm' is held" in told["message"]) == (400, True)
    assert await world.ask("POST", "/api/dead/drop", question) == (200, {"dropped": 1})


async def test_replays_of_a_held_destination(world):
    """Their state says that they are held, or being written off."""
    await world.engine.open_replay("crm", start=0, end=BLOCK_SPAN)
    world.configured.clear()
    _, told = await world.ask("GET", "/api/replays")
    assert [one["state"] for one in told["replays"]] == ["held: not in the configuration"]
    await world.ledger.end_account(3, BLOCK_SPAN, at=1, by="abandoned")
    _, told = await world.ask("GET", "/api/replays")
    assert [one["state"] for one in told["replays"]] == ["abandoned"]
