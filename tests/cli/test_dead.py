"""`postroad dead` against a real server."""

import json

import pytest
from server import until

from postroad.cli import dead

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_dead_show(server):
    """A dead letter is shown with its event and every try."""
    (offset,) = await server.send_dying("dead-1")
    (letter,) = await server.rows("dead", "show", "hook", str(offset))
    assert letter["letter"]["message_id"] == "dead-1"
    assert letter["body"]["messageId"] == "dead-1"
    assert len(letter["failed"]) == letter["letter"]["tries"] > 0


async def test_dead_resend(server):
    """A letter that is resent is tried again; an offset that is no dead letter is told with status 1."""
    (offset,) = await server.send_dying("resend-1")
    (before,) = await server.rows("dead", "show", "hook", str(offset))
    (told,) = await server.rows("dead", "resend", "--destination", "hook", str(offset))
    assert told["resent"] == 1

    async def died_again():
        status, out, _ = await server.run("dead", "show", "hook", str(offset), "--json")
        return status == 0 and json.loads(out)["letter"]["died_at"] > before["letter"]["died_at"]

    await until(died_again, "the resent letter died again")
    status, out, err = await server.run("dead", "resend", "--destination", "hook", "12345")
    assert (status, out) == (1, "resent 0 dead letters\n")
    assert "not dead letters of hook: 1 of the offsets" in err


async def test_dead_drop(server):
    """Nothing is dropped unless somebody says yes; what is dropped is no dead letter any more."""
    (offset,) = await server.send_dying("drop-1")
    chosen = ("dead", "drop", "--destination", "hook", str(offset))
    assert "--yes" in await server.complains(2, *chosen)
    assert await server.dead("drop-1") == [offset]
    (told,) = await server.rows(*chosen, "--yes")
    assert told["dropped"] == 1
    await server.complains(1, "dead", "show", "hook", str(offset))
    (story,) = await server.rows("show", "drop-1")
    assert {place["destination"]: place["outcome"] for place in story["deliveries"]}["hook"] == "dropped"


async def test_dead_list_narrowed(server):
    """A list is narrowed by time, event, a part of the reason and message id."""
    (offset,) = await server.send_dying("narrow-1")

    async def ids(*options):
        return {row["message_id"] for row in await server.rows("dead", "list", "--limit", "9999", *options)}

    assert await ids("--message-id", "narrow-1", "--message-id", "nothing") == {"narrow-1"}
    assert "narrow-1" in await ids("--since", "1h", "--event", "Email Delivered", "--why", "ANSWERED 422")
    assert await ids("--until", "1h") == set()
    assert await ids("--event", "Email Bounced") == set()
    assert await ids("--why", "no such reason") == set()
    (row,) = await server.rows("dead", "list", "--message-id", "narrow-1")
    assert (row["region"], row["destination"], row["offset"], row["served"]) == ("us", "hook", offset, True)


async def test_dead_show_by_place_and_by_id(server):
    """A dead letter is found by region, destination and offset, and by its messageId alone."""
    (offset,) = await server.send_dying("shown-1")
    by_place = await server.rows("dead", "show", "us/hook", str(offset))
    assert by_place == await server.rows("dead", "show", "shown-1")
    status, out, _ = await server.run("dead", "show", "shown-1")
    assert status == 0
    assert out.startswith("Email Delivered  shown-1\n")


async def test_dead_by_message_id(server):
    """Resend and drop take message ids; one that is no dead letter is told with status 1."""
    await server.send_dying("named-1", "named-2")
    both = ("--message-id", "named-1", "--message-id", "named-2")
    (told,) = await server.rows("dead", "drop", "--yes", *both)
    assert told == {"dropped": 2, "asked": 2}
    status, _, err = await server.run("dead", "drop", "--yes", *both)
    assert status == 1
    assert "not dead letters of any destination: 2 of the message ids" in err


async def test_dead_drop_asks(server):
    """On a terminal drop asks, and a no leaves everything as it is."""
    (offset,) = await server.send_dying("asked-1")
    chosen = ("dead", "drop", "--message-id", "asked-1")
    status, out, err = await server.run(*chosen, typed="n\n")
    assert (status, out.strip()) == (1, "")
    assert "Give 1 dead letters up for good?" in err
    assert "nothing was changed" in err
    assert await server.dead("asked-1") == [offset]
    status, out, _ = await server.run(*chosen, typed="y\n")
    assert (status, out.strip()) == (0, "dropped 1 dead letters")


async def test_dead_in_chunks(server, monkeypatch):
    """However many are meant, each is asked for once, some at a time."""
    monkeypatch.setattr(dead, "CHUNK", 2)
    names = [f"chunk-{place}" for place in range(5)]
    await server.send_dying(*names)
    (told,) = await server.rows(
        *("dead", "drop", "--yes"), *(word for name in names for word in ("--message-id", name))
    )
    assert told == {"dropped": 5, "asked": 5}
