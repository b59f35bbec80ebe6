"""Every verb against a real server, called as people call it."""

import json

import pytest
import pytest_asyncio
from server import KEY, Server, free_port, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

EMAIL = ("--event", "Email Delivered", "--user", "u1", "--property", "email_id=e1", "--property", "email_subject=Hi")
TRAITS = ("--context", '{"traits":{"email":"ada@example.com"}}')
SECRET = "very-secret-path"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory):
    """A server with a destination that works, and one that nobody listens at and that gives up soon."""
    nobody = f"http://127.0.0.1:{free_port()}/{SECRET}"
    server = Server(
        tmp_path_factory.mktemp("cli"),
        f'[destinations.file]\ntype = "file"\n[destinations.hook]\ntype = "webhook"\nurl = "{nobody}"\n'
        'allow_private = true\nretry = { first = "0.05s", max_age = "0.1s" }\n',
    )
    await server.start()
    yield server
    assert await server.stop() == 0


async def rows(server, *arguments):
    """Run a verb that must succeed, with --json, and return its objects."""
    status, out, err = await server.run(*arguments, "--json")
    assert (status, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


async def complains(server, expected, *arguments, stdin=b""):
    """Run a verb that must fail, and return its one sentence."""
    status, out, err = await server.run(*arguments, stdin=stdin)
    assert status == expected, out + err
    assert out == ""
    assert "Traceback" not in err
    assert err.startswith("postroad: ")
    assert len(err.splitlines()) == 1
    return err


async def send_dying(server, *ids):
    """Send events and wait until they are dead at `hook`; returns their offsets."""
    for name in ids:
        status, out, err = await server.run("send", "--key", KEY, "--message-id", name, *EMAIL, *TRAITS)
        assert (status, out, err) == (0, f"200 {{}}; messageId {name}\n", "")
    return await dead(server, *ids)


async def dead(server, *ids):
    """Wait until these are dead letters of `hook`; returns their offsets."""
    found = {}

    async def died():
        found.update({row["message_id"]: row["offset"] for row in await rows(server, "dead", "list")})
        return found.keys() >= set(ids)

    await until(died, f"{ids} are dead letters")
    return [found[name] for name in ids]


async def test_check(server):
    """Check says that a configuration can be used, and shows no secret of it."""
    for arguments in (("check",), ("check", "--json")):
        status, out, err = await server.run(*arguments)
        assert (status, err) == (0, "")
        assert "hook" in out
        assert KEY not in out
        assert SECRET not in out


async def test_send_refused(server):
    """An event that breaks the contract ends with status 1 and all its sentences."""
    status, out, err = await server.run("send", "--key", KEY, "--event", "Email Delivered", "--user", "u1")
    assert (status, err) == (1, "")
    assert out.startswith("400 the event breaks the contract\n")
    assert "properties.email_id: is required" in out


async def test_send_without_a_key_that_is_known(server):
    """A wrong key ends with status 1, says its sentence once, and never prints the key."""
    status, out, err = await server.run("send", "--key", "wrong-key-1", *EMAIL, *TRAITS)
    assert (status, err) == (1, "")
    assert out.startswith("401 ")
    assert len(out.splitlines()) == 1
    assert "wrong-key-1" not in out


async def test_send_from_stdin(server):
    """A whole event comes from stdin, and tail shows it with its own facts."""
    event = {"type": "identify", "messageId": "stdin-1", "userId": "u7", "traits": {"plan": "free"}}
    status, _, _ = await server.run("send", "--key", KEY, "--type", "identify", "-", stdin=json.dumps(event).encode())
    assert status == 0
    (line,) = await rows(server, "tail", "--from-start", "--type", "identify", "--limit", "1")
    assert line["event"]["traits"] == {"plan": "free"}
    assert line["postroad"]["messageId"] == "stdin-1"


async def test_tail_ends_at_its_limit(server):
    """Tail prints one line an event and ends after as many as were asked for."""
    await send_dying(server, "tail-1", "tail-2")
    status, out, err = await server.run("tail", "--from-start", "--event", "Email Delivered", "--limit", "2")
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 2
    assert "email_id=e1" in out


async def test_show(server):
    """Show tells what came and what became of it at each destination, with every try that failed."""
    await send_dying(server, "show-1")
    (story,) = await rows(server, "show", "show-1")
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
    await send_dying(server, "status-1")
    (region,) = await rows(server, "status")
    places = {place["id"]: place for place in region["status"]["destinations"]}
    assert region["status"]["accepting"]
    assert places["hook"]["dead"] >= 1
    status, out, _ = await server.run("status")
    assert status == 0
    assert out.startswith("region us: accepting, delivering\n")


async def test_audit(server):
    """The books of a running server balance, and audit says so with status 0."""
    await send_dying(server, "audit-1")
    (found,) = await rows(server, "audit")
    assert found["balanced"]
    (region,) = found["regions"]
    assert [place["owed"] for place in region["accounts"]] == [region["accepted"]] * 2
    status, out, _ = await server.run("audit")
    assert status == 0
    assert out.endswith("The books balance.\n")


async def test_dead_show(server):
    """A dead letter is shown with its event and every try."""
    (offset,) = await send_dying(server, "dead-1")
    (letter,) = await rows(server, "dead", "show", "hook", str(offset))
    assert letter["message_id"] == "dead-1"
    assert letter["body"]["messageId"] == "dead-1"
    assert len(letter["failed"]) == letter["tries"] > 0


async def test_dead_resend(server):
    """A letter that is resent is tried again; an offset that is no dead letter is told with status 1."""
    (offset,) = await send_dying(server, "resend-1")
    (before,) = await rows(server, "dead", "show", "hook", str(offset))
    (told,) = await rows(server, "dead", "resend", "--destination", "hook", str(offset))
    assert told["resent"] == 1

    async def died_again():
        status, out, _ = await server.run("dead", "show", "hook", str(offset), "--json")
        return status == 0 and json.loads(out)["died_at"] > before["died_at"]

    await until(died_again, "the resent letter died again")
    status, out, err = await server.run("dead", "resend", "--destination", "hook", "12345")
    assert (status, out) == (1, "resent 0 dead letters\n")
    assert "1 of the offsets are no dead letters of hook" in err


async def test_dead_drop(server):
    """Nothing is dropped unless somebody says yes; what is dropped is no dead letter any more."""
    (offset,) = await send_dying(server, "drop-1")
    chosen = ("dead", "drop", "--destination", "hook", str(offset))
    assert "--yes" in await complains(server, 2, *chosen)
    assert await dead(server, "drop-1") == [offset]
    (told,) = await rows(server, *chosen, "--yes")
    assert told["dropped"] == 1
    await complains(server, 1, "dead", "show", "hook", str(offset))
    (story,) = await rows(server, "show", "drop-1")
    assert {place["destination"]: place["outcome"] for place in story["deliveries"]}["hook"] == "dropped"


async def test_rejections(server):
    """What was answered 200 and is no event is listed, and shown whole."""
    status, _, _ = await server.run("send", "--key", KEY, "--permissive", "-", stdin=b"no json")
    assert status == 0
    found = (await rows(server, "rejections", "list", "--source", "app"))[0]
    assert found["code"] == "not_json"
    (shown,) = await rows(server, "rejections", "show", str(found["id"]))
    assert shown["body"] == "no json"


@pytest.mark.parametrize(
    ("expected", "arguments", "said"),
    [
        (1, ("show", "nothing"), "'nothing'"),
        (1, ("dead", "show", "hook", "12345"), "12345"),
        (1, ("rejections", "show", "99999"), "99999"),
        (2, ("tial",), "'tail'"),
        (2, ("audit", "--region", "eu"), "'eu'"),
        (2, ("tail", "--type", "trak"), "'track'"),
        (2, ("dead", "resend"), "--all"),
        (2, ("dead", "resend", "--destination", "hok"), "'hook'"),
        (2, ("dead", "resend", "17"), "--destination"),
        (2, ("dead", "list", "--since", "soon"), "'soon'"),
    ],
)
async def test_errors(server, expected, arguments, said):
    """An error is one sentence that names what is wrong, with the documented exit status."""
    assert said in await complains(server, expected, *arguments)


async def test_no_server(tmp_path):
    """Without a server, and without a data folder, the status is 3 and the sentence says what to start."""
    server = Server(tmp_path, "")
    assert "postroad serve" in await complains(server, 3, "send", "--key", KEY, *EMAIL)
    for verb in ("status", "audit", "tail", "show x", "dead list", "rejections list"):
        assert "postroad serve" in await complains(server, 3, *verb.split())
