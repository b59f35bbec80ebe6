"""Every verb against a real server, called as people call it."""

import json

import pytest
from server import KEY, Server

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_check(server):
    """Check says that a configuration can be used, and shows no secret of it."""
    for arguments in (("check",), ("check", "--json")):
        status, out, err = await server.run(*arguments)
        assert (status, err) == (0, "")
        assert "hook" in out
        assert KEY not in out
        assert "very-secret-path" not in out


async def test_send_refused(server):
    """An event that breaks the contract ends with status 1 and all its sentences."""
    status, out, err = await server.run("send", "--key", KEY, "--event", "Email Delivered", "--user", "u1")
    assert (status, err) == (1, "")
    assert out.startswith("400 the event breaks the contract\n")
    assert "properties.email_id: is required" in out


async def test_send_without_a_key_that_is_known(server):
    """A wrong key ends with status 1, says its sentence once, and never prints the key."""
    status, out, err = await server.run("send", "--key", "wrong-key-1", *server.email)
    assert (status, err) == (1, "")
    assert out.startswith("401 ")
    assert len(out.splitlines()) == 1
    assert "wrong-key-1" not in out


async def test_send_from_stdin(server):
    """A whole event comes from stdin, and tail shows it with its own facts."""
    event = {"type": "identify", "messageId": "stdin-1", "userId": "u7", "traits": {"plan": "free"}}
    status, _, _ = await server.run("send", "--key", KEY, "--type", "identify", "-", stdin=json.dumps(event).encode())
    assert status == 0
    (line,) = await server.rows("tail", "--from-start", "--type", "identify", "--limit", "1")
    assert line["event"]["traits"] == {"plan": "free"}
    assert line["postroad"]["messageId"] == "stdin-1"


async def test_tail_ends_at_its_limit(server):
    """Tail prints one line an event and ends after as many as were asked for."""
    await server.send_dying("tail-1", "tail-2")
    status, out, err = await server.run("tail", "--from-start", "--event", "Email Delivered", "--limit", "2")
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 2
    assert "email_id=e1" in out


async def test_show(server):
    """Show tells what came and what became of it at each destination, with every try that failed."""
    await server.send_dying("show-1")
    (story,) = await server.rows("show", "show-1")
    assert story["body"]["properties"]["email_id"] == "e1"
    outcomes = {place["destination"]: place for place in story["deliveries"]}
    assert outcomes["file"]["outcome"] == "delivered"
    assert outcomes["hook"]["outcome"] == "dead"
    assert len(outcomes["hook"]["failed"]) == outcomes["hook"]["tries"] > 0
    status, out, _ = await server.run("show", "show-1")
    assert status == 0
    assert "file: delivered" in out


async def test_status(server):
    """Status counts events, and dead letters by destination."""
    await server.send_dying("status-1")
    (region,) = await server.rows("status")
    places = {place["id"]: place for place in region["status"]["destinations"]}
    assert region["status"]["accepting"]
    assert places["hook"]["dead"] >= 1
    status, out, _ = await server.run("status")
    assert status == 0
    assert out.startswith("region us: accepting, delivering\n")


async def test_audit(server):
    """The books of a running server balance, and audit says so with status 0."""
    await server.send_dying("audit-1")
    (found,) = await server.rows("audit")
    assert found["balanced"]
    (region,) = found["regions"]
    assert [place["owed"] for place in region["accounts"] if place["replay"] is None] == [region["accepted"]] * 2
    status, out, _ = await server.run("audit")
    assert status == 0
    assert out.endswith("The books balance.\n")


@pytest.mark.parametrize(
    ("expected", "arguments", "said"),
    [
        (1, ("show", "nothing"), "'nothing'"),
        (1, ("dead", "show", "hook", "12345"), "12345"),
        (1, ("rejections", "show", "99999"), "99999"),
        (2, ("tial",), "'tail'"),
        (2, ("audit", "--region", "eu"), "'eu'"),
        (2, ("tail", "--type", "trak"), "`track`"),
        (2, ("dead", "resend"), "--all"),
        (2, ("dead", "resend", "--destination", "hok"), "`hook`"),
        (2, ("dead", "resend", "17"), "--destination"),
        (2, ("dead", "list", "--since", "soon"), "--since: 'soon' is not a time"),
        (2, ("dead", "list", "--destination", "hok"), "`hook`"),
        (2, ("rejections", "show", "99999999999999999999"), "ID"),
        (2, ("dead", "drop", "99999999999999999999", "--destination", "hook"), "OFFSET"),
        (2, ("replay", "stop", "99999999999999999999"), "NUMBER"),
    ],
)
async def test_errors(server, expected, arguments, said):
    """An error is one sentence that names what is wrong, with the documented exit status."""
    assert said in await server.complains(expected, *arguments)


async def test_no_server(tmp_path, verbs):
    """Without a server, and without a data folder, the status is 3 and the sentence says what to start."""
    server = verbs(Server(tmp_path, "").config)
    assert "postroad serve" in await server.complains(3, "send", "--key", KEY, *server.email)
    for verb in ("status", "audit", "tail", "show x", "dead list", "rejections list"):
        assert "postroad serve" in await server.complains(3, *verb.split())
