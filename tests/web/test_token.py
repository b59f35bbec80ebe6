"""The admin token decides who is an operator; the paths of operators are there for nobody else, each by its token."""

import asyncio

import pytest

from postroad.errors import StoreUnavailable
from postroad.ingest.app import IngestApp, Operators
from postroad.ingest.browser import BrowserSettings
from postroad.ingest.ingest import Ingest
from postroad.ingest.keyring import KeyRing
from postroad.ingest.senders import Senders
from postroad.ingest.tally import IngestTally
from postroad.web.answers import OK, new_request_id
from postroad.web.token import AdminToken


@pytest.mark.parametrize(
    ("given", "admitted"),
    [
        (b"Bearer tok", True),
        (b"bearer  tok ", True),
        (b"Bearer tik", False),
        (b"Bearer ", False),
        (b"tok", False),
        (b"", False),
        (b"Basic dG9rOg==", False),
    ],
)
def test_who_is_admitted(given, admitted):
    """Only who has the admin token is admitted; a write key is not enough."""
    assert AdminToken(lambda: "tok").admits(given) is admitted


def test_nobody_is_admitted_before_there_is_a_token():
    """Until the token could be made, nobody is admitted, also who shows none; then it is read without a restart."""
    kept = []

    def read():
        if not kept:
            raise StoreUnavailable("no room")
        return kept[0]

    token = AdminToken(read)
    assert not any(token.admits(given) for given in (b"Bearer ", b"Bearer", b"", b"Bearer tok"))
    kept.append(None)
    assert not token.admits(b"Bearer ")
    kept[0] = "tok"
    assert token.admits(b"Bearer tok")


def test_the_token_of_a_path_opens_that_path_alone():
    """What is made of the admin token for a path opens neither another path nor what the admin token opens."""
    admin = AdminToken(lambda: "tok")
    metrics, retry = admin.of("/metrics"), admin.of("/api/rejections/retry")
    given = f"Bearer {metrics.text}".encode()
    assert metrics.admits(given)
    assert AdminToken(lambda: "tok").of("/metrics").text == metrics.text
    assert not any(token.admits(given) for token in (admin, retry, AdminToken(lambda: "tik").of("/metrics")))
    assert not any(token.admits(b"Bearer tok") for token in (metrics, retry))
    assert not AdminToken(lambda: None).of("/metrics").admits(b"Bearer ")


METRICS = AdminToken(lambda: "tok").of("/metrics").text.encode()
RETRY = AdminToken(lambda: "tok").of("/api/rejections/retry").text.encode()


@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("GET", "/metrics", METRICS, 200),
        ("GET", "/metrics", b"tok", 404),
        ("GET", "/metrics", RETRY, 404),
        ("GET", "/metrics", b"", 404),
        ("POST", "/api/rejections/retry", RETRY, 200),
        ("POST", "/api/rejections/retry", b"tok", 401),
        ("POST", "/api/rejections/retry", METRICS, 401),
        ("GET", "/api/rejections/retry", RETRY, 401),
        ("GET", "/api/status", b"tok", 401),
        ("GET", "/api/nothing", b"", 401),
    ],
)
async def test_the_ingest_address_hides_what_is_not_for_everybody(clock, method, path, token, status):
    """An operator's path answers to its own token. The admin token opens nothing there, and without the right one
    `/metrics` is a path like any that is not there, and no two paths under `/api/` differ.
    """

    async def answer(_body):
        return OK

    senders, tally = Senders(KeyRing({})), IngestTally()
    ingest = Ingest(senders, {"us": None}, clock, tally, str)
    calls = {("GET", "/metrics"): answer, ("POST", "/api/rejections/retry"): answer}
    operators = Operators(AdminToken(lambda: "tok"), calls)
    app = IngestApp(ingest, BrowserSettings(senders), {}, tally, clock, operators=operators)
    sent: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"authorization", b"Bearer " + token)]
    await app({"type": "http", "method": method, "path": path, "headers": headers}, receive, sent.put)
    assert (await sent.get())["status"] == status


def test_request_ids_tell_nothing():
    """Ids of two requests have nothing in common by which they could be counted, or told to be of one process."""
    ids = [new_request_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert len({len(each) for each in ids}) == 1
    assert max(sum(each[place] == ids[0][place] for each in ids) for place in range(4, len(ids[0]))) < 50
