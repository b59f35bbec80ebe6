"""The admin token decides who is an operator, and the paths of operators are there for nobody else."""

import asyncio

import pytest

from postroad.errors import StoreUnavailable
from postroad.ingest.app import IngestApp, Operators
from postroad.ingest.browser import BrowserSettings
from postroad.ingest.ingest import Ingest
from postroad.ingest.keyring import KeyRing
from postroad.ingest.senders import Senders
from postroad.ingest.tally import IngestTally
from postroad.web.answers import OK
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


@pytest.mark.parametrize(("given", "status"), [(b"Bearer tok", 200), (b"Bearer tik", 404), (b"", 404)])
async def test_the_ingest_address_hides_what_is_not_for_everybody(clock, given, status):
    """With the token an operator's path answers; without it, it is a path like any that is not there."""

    async def answer(_body):
        return OK

    senders, tally = Senders(KeyRing({})), IngestTally()
    ingest = Ingest(senders, {"us": None}, clock, tally, str)
    operators = Operators(AdminToken(lambda: "tok"), {("GET", "/metrics"): answer})
    app = IngestApp(ingest, BrowserSettings(senders), {}, tally, clock, operators=operators)
    sent: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": [(b"authorization", given)]}
    await app(scope, receive, sent.put)
    assert (await sent.get())["status"] == status
