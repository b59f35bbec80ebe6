"""The admin API: dead letters, rejections and replays."""

import re
from pathlib import Path

import pytest

from postroad.errors import StoreError, StoreUnavailable, UsageError
from postroad.ledger.base import Outcome, Settlement


async def ids(world, **query):
    """Return the message ids of a list of dead letters."""
    status, told = await world.ask("GET", "/api/dead", **query)
    assert status == 200
    return [letter["message_id"] for letter in told["dead"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["m0", "m1", "m2", "m3", "m4", "m5"]),
        ({"destination": "crm", "event": "E1"}, ["m1", "m3", "m5"]),
        ({"destination": "other"}, []),
        ({"message_id": "m4"}, ["m4"]),
        ({"why": "ANSWERED"}, ["m0", "m1", "m2", "m3", "m4", "m5"]),
        ({"why": "timeout"}, []),
        ({"since": "1", "until": "3"}, ["m1", "m3", "m4"]),
        ({"since": "1970-01-01T00:00:00.000002Z", "region": "us"}, ["m4", "m5"]),
    ],
)
async def test_dead_list(world, query, expected):
    """Dead letters are listed by account and offset, those of ended accounts too, narrowed by what is asked."""
    assert await ids(world, **query) == expected


async def test_dead_pages(world):
    """Page after page has every dead letter once, and the last says that it is the last."""
    seen, after = [], {}
    for _ in range(4):
        _, told = await world.ask("GET", "/api/dead", limit=2, **after)
        seen += [letter["message_id"] for letter in told["dead"]]
        if told["next"] is None:
            break
        after = {"after": told["next"]}
    assert seen == ["m0", "m1", "m2", "m3", "m4", "m5"]
    assert told["next"] is None


async def test_dead_show(world):
    """A dead letter is shown with its event and every try; one that is not there is a 404."""
    place = f"/api/dead/us/1/{world.offsets[1]}"
    status, told = await world.ask("GET", place)
    assert status == 200
    assert told["letter"]["served"] is False
    assert told["body"]["messageId"] == "m1"
    assert told["failed"] == [{"at": 3, "status": 410, "why": "answered 410", "answer": "gone"}]
    assert (await world.ask("GET", f"/api/dead/us/2/{world.offsets[1]}"))[0] == 404
    assert (await world.ask("GET", "/api/dead/eu/2/5"))[0] == 400


async def test_dead_resend(world):
    """Dead letters of an account that is served become retries, and whoever serves it is told."""
    question = {"region": "us", "account": 2, "offsets": [world.offsets[3], 12345]}
    assert await world.ask("POST", "/api/dead/resend", question) == (200, {"resent": 1})
    assert (await world.ledger.totals(2))[Outcome.RETRY] == 1
    assert world.engine.poked == ["crm"]


async def test_dead_of_an_ended_account(world):
    """Those of an ended account can't be resent, because nobody would send them, and can be dropped."""
    question = {"region": "us", "account": 1, "offsets": world.offsets[:2]}
    status, told = await world.ask("POST", "/api/dead/resend", question)
    assert status == 400
    assert "dropped" in told["message"]
    assert await world.ask("POST", "/api/dead/drop", question) == (200, {"dropped": 2})
    assert await world.ledger.totals(1) == {Outcome.DROPPED: 2}
    assert await ids(world) == ["m2", "m3", "m4", "m5"]


async def test_dead_of_a_replay(world):
    """Those of a replay are told apart, and can be resent as long as its destination is served."""
    await world.engine.open_replay("crm", start=0, end=world.offsets[-1] + (1 << 16))
    await world.die(3, world.offsets[:1])
    _, told = await world.ask("GET", "/api/dead", message_id="m0")
    assert [(letter["account"], letter["replay"], letter["served"]) for letter in told["dead"]] == [
        (1, False, False),
        (3, True, True),
    ]
    question = {"region": "us", "account": 3, "offsets": world.offsets[:1]}
    assert await world.ask("POST", "/api/dead/resend", question) == (200, {"resent": 1})
    await world.ledger.end_account(2, world.offsets[-1], at=1, by="abandoned")
    _, told = await world.ask("GET", "/api/dead")
    assert not any(letter["served"] for letter in told["dead"])


async def test_rejections(world):
    """Rejections are listed without bodies, the newest first and by pages, and shown whole."""
    _, told = await world.ask("GET", "/api/rejections", region="us", limit=1)
    assert [entry["id"] for entry in told["rejections"]] == [2]
    assert "body" not in told["rejections"][0]
    _, told = await world.ask("GET", "/api/rejections", region="us", before=told["next"])
    assert ([entry["id"] for entry in told["rejections"]], told["next"]) == ([1], None)
    status, told = await world.ask("GET", "/api/rejections/us/1")
    assert (status, told["body"]) == (200, "no")
    assert (await world.ask("GET", "/api/rejections/us/9"))[0] == 404


async def test_retry_is_handed_on(world):
    """A retry is handed to the ingest process as it is, and so is its answer."""
    status, told = await world.ask("POST", "/api/rejections/retry", {"region": "us", "ids": [1]})
    assert (status, told) == (200, {"retried": [1], "refused": []})
    assert world.asked == [b'{"region": "us", "ids": [1]}']


async def test_replays(world):
    """A replay has the blocks of its time and of what was written late, its names, its rate and its time itself, and
    is listed with how far it has come.
    """
    at = world.clock.now() - 4_000_000
    question = {"region": "us", "destination": "crm", "from": at, "to": at + 2_000_000, "events": ["E0"], "rate": 5}
    assert await world.ask("POST", "/api/replays", question) == (200, {"region": "us", "number": 3, "total": 4})
    account = await world.ledger.account(3)
    assert (account.start, account.end) == (world.offsets[2], world.offsets[5] + (1 << 16))
    await world.ledger.settle(3, _delivered(world.offsets[2]))
    _, told = await world.ask("GET", "/api/replays")
    (status,) = told["replays"]
    assert (status["passed"], status["total"], status["state"]) == (1, 4, "waiting")
    assert (status["since"], status["until"]) == (at, at + 2_000_000)
    assert (status["events"], status["rate"], status["outcomes"]) == (["E0"], 5, {"delivered": 1})
    assert await world.ask("POST", "/api/replays/us/3/stop") == (200, {})
    assert world.engine.stopped == [3]


def _delivered(offset):
    return Settlement({offset: Outcome.DELIVERED}, {offset >> 16: 1}, offset + (1 << 16))


@pytest.mark.parametrize(
    ("method", "path", "body", "query"),
    [
        ("GET", "/api/dead", None, {"limit": "0"}),
        ("GET", "/api/dead", None, {"limit": "100000"}),
        ("GET", "/api/dead", None, {"limit": "many"}),
        ("GET", "/api/dead", None, {"colour": "red"}),
        ("GET", "/api/dead", None, {"since": "soon"}),
        ("GET", "/api/dead", None, {"since": "9" * 5000}),
        ("GET", "/api/dead", None, {"after": "x"}),
        ("GET", "/api/dead", None, {"region": "eu"}),
        ("GET", "/api/rejections", None, {}),
        ("GET", "/api/rejections", None, {"region": "eu"}),
        ("GET", "/api/rejections", None, {"region": "us", "before": "9" * 30}),
        ("GET", f"/api/rejections/us/{'9' * 30}", None, {}),
        ("POST", "/api/dead/drop", None, {}),
        ("POST", "/api/dead/drop", {"region": "us", "account": 9, "offsets": []}, {}),
        ("POST", "/api/dead/drop", {"region": "us", "account": 1, "offsets": [1] * 1001}, {}),
        ("POST", "/api/dead/drop", {"region": "eu", "account": 1, "offsets": [1]}, {}),
        ("POST", "/api/replays", {"region": "us", "destination": "crm", "from": "soon"}, {}),
        ("POST", "/api/replays", {"region": "us", "destination": "crm", "to": 5}, {}),
        ("POST", "/api/replays", {"region": "eu", "destination": "crm"}, {}),
    ],
)
async def test_bad_questions(world, method, path, body, query):
    """A question that makes no sense is refused with 400 and a sentence, and nothing is changed."""
    status, told = await world.ask(method, path, body, **query)
    assert (status, told["code"]) == (400, "invalid")
    assert told["message"]
    assert await ids(world) == ["m0", "m1", "m2", "m3", "m4", "m5"]


async def test_another_method(world):
    """The wrong method is a 405 that names the right one, and a path that is not there a 404, in the one shape."""
    status, headers, told = await world.exchange("POST", "/api/status")
    assert (status, told["code"]) == (405, "method_not_allowed")
    assert set(headers["allow"].split(", ")) == {"GET", "HEAD"}
    status, told = await world.ask("GET", "/api/nothing")
    assert (status, told["code"], list(told["meta"])) == (404, "not_found", ["errors", "details"])


@pytest.mark.parametrize(
    ("failure", "status", "code", "said"),
    [
        (StoreUnavailable("ledger.db: disk I/O error"), 503, "unavailable", "disk I/O error"),
        (StoreError("ledger.db: is not a ledger file"), 503, "unavailable", "not a ledger file"),
        (UsageError("there is no such thing"), 400, "invalid", "no such thing"),
        (LookupError("secret"), 500, "internal", "a bug in Postroad"),
    ],
)
async def test_failures(world, failure, status, code, said):
    """A store that can't be used and a bug of ours are answers of the one shape too; a bug shows nothing of itself."""
    world.failure = failure
    found, told = await world.ask("GET", "/api/status")
    assert (found, told["code"]) == (status, code)
    assert said in told["message"]
    assert "secret" not in str(told)


def test_the_page_has_every_endpoint(world):
    """docs/reference/admin-api.md lists each endpoint that needs the token, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "admin-api.md").read_text()
    said = set(re.findall(r"^\| `((?:GET|POST) /[^`]*)` \|", page, re.MULTILINE))
    there = {
        f"{method} {re.sub(':int', '', route.path)}"
        for route in world.app.routes
        for method in route.methods - {"HEAD"}
        if route.path.startswith("/api/") or route.path == "/metrics"
    }
    assert said == there


@pytest.mark.parametrize("token", [None, "", "tik"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"),
        ("GET", "/api/status"),
        ("GET", "/api/dead"),
        ("GET", "/api/dead/us/1/0"),
        ("POST", "/api/dead/drop"),
        ("POST", "/api/dead/resend"),
        ("GET", "/api/rejections"),
        ("GET", "/api/rejections/us/1"),
        ("POST", "/api/rejections/retry"),
        ("GET", "/api/replays"),
        ("POST", "/api/replays"),
        ("POST", "/api/replays/us/1/stop"),
    ],
)
async def test_without_the_token(world, method, path, token):
    """Nothing is told or done without the admin token."""
    status, told = await world.ask(method, path, {}, token=token)
    assert (status, told["code"]) == (401, "unauthorized")
    assert world.asked == world.engine.stopped == []
