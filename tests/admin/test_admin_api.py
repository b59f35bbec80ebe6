"""The admin API: dead letters, rejections and replays."""

import re
from pathlib import Path

import pytest

from postroad.clock import ManualClock
from postroad.errors import StoreError, StoreUnavailable, UsageError
from postroad.operations.asking import read_json
from postroad.operations.dead import DeadChange
from postroad.web.token import AdminToken


async def ids(world, **query):
    """Return the message ids of a list of dead letters."""
    status, told = await world.ask("GET", "/api/dead", **query)
    assert status == 200
    return [letter["message_id"] for letter in told["dead"]]


async def test_dead_list(world):
    """A list is narrowed by the query, in which a parameter may be there twice, and goes on where `next` says."""
    assert await ids(world, destination="crm", event="E1", since="1970-01-01T00:00:00.000001Z") == ["m1", "m3", "m5"]
    assert await ids(world, message_id=["m4", "m1"]) == ["m1", "m4"]
    _, told = await world.ask("GET", "/api/dead", limit=4)
    assert [letter["message_id"] for letter in told["dead"]] == ["m0", "m1", "m2", "m3"]
    assert await ids(world, after=told["next"]) == ["m4", "m5"]


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


async def test_dead_resend_and_drop(world):
    """How many were resent or dropped is told; what can't be is a 400 that says why."""
    question = {"region": "us", "account": 2, "offsets": [world.offsets[3], 12345]}
    assert await world.ask("POST", "/api/dead/resend", question) == (200, {"resent": 1})
    question = {"region": "us", "account": 1, "offsets": world.offsets[:2]}
    status, told = await world.ask("POST", "/api/dead/resend", question)
    assert (status, "dropped" in told["message"]) == (400, True)
    assert await world.ask("POST", "/api/dead/drop", question) == (200, {"dropped": 2})


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
    """A replay is begun, listed and stopped."""
    at = world.clock.now() - 4_000_000
    question = {"region": "us", "destination": "crm", "from": at, "to": at + 2_000_000, "events": ["E0"], "rate": 5}
    assert await world.ask("POST", "/api/replays", question) == (200, {"region": "us", "number": 3, "total": 4})
    _, told = await world.ask("GET", "/api/replays")
    (status,) = told["replays"]
    assert (status["number"], status["since"], status["events"], status["rate"]) == (3, at, ["E0"], 5)
    assert await world.ask("POST", "/api/replays/us/3/stop") == (200, {})
    assert world.engine.stopped == [3]


async def test_destinations(world):
    """Destinations are told with what they are owed; giving one up is handed to whoever serves it, who may refuse."""
    _, told = await world.ask("GET", "/api/destinations")
    crm = {"id": "crm", "region": "us", "state": "served", "heir": None, "waiting": 0, "retrying": 0, "dead": 4}
    assert told["destinations"] == [crm | {"replays": 0, "log_bytes": 0, "on_backlog_full": "refuse", "hold": None}]
    assert await world.ask("POST", "/api/destinations/us/my old.crm/abandon") == (200, {})
    assert world.engine.abandoned == ["my old.crm"]
    status, told = await world.ask("POST", "/api/destinations/us/crm/abandon")
    assert (status, told["message"]) == (400, "'crm' is in the configuration")
    status, told = await world.ask("POST", "/api/destinations/eu/crm/abandon")
    assert (status, told["message"]) == (400, "there is no region 'eu', only us")


async def test_holds(world):
    """A destination is held with who and why, tried and released; what makes no sense is refused."""
    place = "/api/destinations/us/crm"
    assert await world.ask("POST", f"{place}/hold", {"by": "ada", "why": "it moves"}) == (200, {})
    _, told = await world.ask("GET", "/api/destinations")
    assert told["destinations"][0]["hold"] == {"at": world.engine.now, "by": "ada", "why": "it moves"}
    assert await world.ask("POST", f"{place}/try") == (200, {"due": 0})
    assert await world.ask("POST", f"{place}/release") == (200, {})
    for change, body in (("release", None), ("hold", {"why": "x" * 1001}), ("hold", {"who": "ada"})):
        status, told = await world.ask("POST", f"{place}/{change}", body)
        assert (status, told["code"]) == (400, "invalid")


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
    found, told = await world.ask("GET", "/metrics")
    assert (found, told["code"]) == (status, code)
    assert said in told["message"]
    assert "secret" not in str(told)


def test_the_page_has_every_endpoint(world):
    """docs/reference/admin-api.md lists each endpoint that needs the token, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "admin-api.md").read_text()
    said = set(re.findall(r"^\| `((?:GET|POST) /[^`]*)` \|", page, re.MULTILINE))
    there = {
        f"{method} {re.sub(':number', '', route.path)}"
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
        ("POST", "/api/status"),
        ("GET", "/api/nothing"),
        ("GET", "/nothing"),
        ("POST", "/metrics"),
    ],
)
async def test_without_the_token(world, method, path, token):
    """Nothing is told or done without the admin token, not even what there is and by which method."""
    status, told = await world.ask(method, path, {}, token=token)
    assert (status, told["code"]) == (401, "unauthorized")
    assert world.asked == world.engine.stopped == []


async def test_a_scraper(world):
    """The token of `/metrics` opens that path and no other."""
    token = AdminToken(lambda: "tok").of("/metrics").text
    status, _, _ = await world.exchange("GET", "/metrics", token=token, plain=True)
    assert status == 200
    for path in ("/api/status", "/api/nothing", "/metrics/"):
        assert (await world.ask("GET", path, token=token))[0] == 401


async def test_what_is_too_deep_or_too_long_is_no_bug(world):
    """Nesting without end and numbers of thousands of digits are wrong requests, no bugs."""
    for body in (b"[" * 100_000, b'{"a":' * 5000):
        with pytest.raises(UsageError):
            read_json(DeadChange, body, ManualClock())
    for path in (f"/api/dead/us/{'9' * 5000}/1", f"/api/dead/us/1/{'9' * 5000}", f"/api/rejections/us/{'9' * 5000}"):
        assert (await world.ask("GET", path))[0] == 404
    assert (await world.ask("GET", "/api/dead", since="1" * 5000))[0] == 400
