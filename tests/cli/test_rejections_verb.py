"""`postroad rejections` against a real server."""

import pytest
from server import KEY

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_rejections(server):
    """What was answered 200 and is no event is listed, and shown whole."""
    status, _, _ = await server.run("send", "--key", KEY, "--permissive", "-", stdin=b"no json")
    assert status == 0
    found = (await server.rows("rejections", "list", "--source", "app"))[0]
    assert found["code"] == "not_json"
    (shown,) = await server.rows("rejections", "show", str(found["id"]))
    assert shown["body"] == "no json"


async def test_keys_are_not_shown(server):
    """A write key that a client put into the body is kept for a retry, and masked when somebody looks."""
    body = b'{"userId":"u","writeKey" : "%b"}' % KEY.encode()
    status, _, _ = await server.run("send", "--key", KEY, "--permissive", "-", stdin=body)
    assert status == 0
    number = (await server.rows("rejections", "list", "--limit", "1"))[0]["id"]
    for words in (("show", str(number)), ("show", str(number), "--json"), ("list", "--json")):
        _, out, _ = await server.run("rejections", *words)
        assert "userId" in out or words[0] == "list"
        assert KEY not in out


async def test_retry(server):
    """A rejection that can be an event by now is stored, and is no rejection any more."""
    assert await server.rows("rejections", "retry", "1") == [{"retried": 1, "refused": []}]
    (row,) = await server.rows("tail", "--from-start", "--event", "Was Rejected", "--limit", "1")
    assert row["postroad"]["source"] == "app"
    assert "there is no rejection 1:" in await server.complains(1, "rejections", "show", "1")
    (audit,) = await server.rows("audit")
    assert audit["balanced"]


async def test_retry_of_what_stays(server):
    """What can't be an event stays, is told with its reasons, and the status is 1."""
    status, _, _ = await server.run("send", "--key", KEY, "--permissive", "-", stdin=b"still no json")
    assert status == 0
    number = (await server.rows("rejections", "list", "--limit", "1"))[0]["id"]
    (told,) = await server.rows("rejections", "retry", str(number), "77777", status=1)
    assert (told["retried"], [one["id"] for one in told["refused"]]) == (0, [number, 77777])
    status, out, _ = await server.run("rejections", "retry", "--code", "not_json", "--since", "1h")
    assert status == 1
    assert f"rejection {number} in us stays: " in out


async def test_retry_names_its_choice(server):
    """Retry refuses to guess which rejections are meant."""
    assert "--all" in await server.complains(2, "rejections", "retry")
    assert "--all" in await server.complains(2, "rejections", "retry", "1", "--all")
