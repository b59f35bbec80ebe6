"""`postroad replay` against a real server."""

import json

import pytest
from server import lines, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def times_at_file(server, name):
    """Return how often the file destination has an event."""
    return sum(row["postroad"]["messageId"] == name for row in lines(server.server.data / "us" / "file.ndjson"))


async def test_replay(server):
    """A replay delivers a stretch of time once more, and has an account of its own that balances."""
    await server.send("replay-1")

    async def delivered():
        return times_at_file(server, "replay-1") == 1

    await until(delivered, "the event is in the file")
    (told,) = await server.rows("replay", "--destination", "file", "--from", "1h", "--follow")
    assert times_at_file(server, "replay-1") == 2
    found = {(row["region"], row["number"]): row for row in await server.rows("replay", "list")}
    status = found["us", told["number"]]
    assert (status["state"], status["passed"], status["total"]) == ("ended", told["total"], told["total"])
    assert status["outcomes"] == {"delivered": told["total"]}
    (audit,) = await server.rows("audit")
    assert audit["balanced"]
    (account,) = (a for a in audit["regions"][0]["accounts"] if a["account"] == told["number"])
    assert (account["owed"], account["outcomes"]) == (told["total"], {"delivered": told["total"]})
    (story,) = await server.rows("show", "replay-1")
    assert told["number"] in [place["account"] for place in story["deliveries"]]
    status, out, _ = await server.run("show", "replay-1")
    assert f"file (replay {told['number']}): delivered" in out


async def test_replay_of_some_events(server):
    """A replay of other names delivers nothing, and what it has no claim to is in no column."""
    await server.send("replay-2")
    (told,) = await server.rows("replay", "--destination", "file", "--event", "Never Sent", "--follow")
    (status,) = (row for row in await server.rows("replay", "list") if row["number"] == told["number"])
    assert (status["events"], status["outcomes"]) == (["Never Sent"], {})
    (audit,) = await server.rows("audit")
    assert audit["balanced"]


async def test_replay_is_stopped(server):
    """A slow replay that is stopped ends where it is; the books balance, and people are told in words."""
    await server.send("replay-3", "replay-4", "replay-5")
    status, out, _ = await server.run("replay", "--destination", "file", "--from", "1h", "--rate", "0.5")
    assert (status, out.endswith("to file has begun\n")) == (0, True)
    number = out.split()[1]
    status, out, _ = await server.run("replay", "stop", number)
    assert (status, out) == (0, f"replay {number} has ended\n")
    status, out, _ = await server.run("replay", "list")
    (line,) = (line for line in out.splitlines() if line.split()[1] == number)
    assert "ended" in line
    (audit,) = await server.rows("audit")
    assert audit["balanced"], json.dumps(audit)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--destination", "fil"), "`file`"),
        (("--rate", "5"), "--destination; configured: file, hook"),
        (("--destination", "file", "--rate", "0"), "--rate"),
        (("--destination", "file", "--from", "2020-01-01", "--to", "2020-01-02"), "nothing to replay"),
        (("stop", "1"), "not a replay"),
    ],
)
async def test_replay_errors(server, arguments, said):
    """What can't be replayed or stopped is refused in one sentence."""
    assert said in await server.complains(2, "replay", *arguments)
