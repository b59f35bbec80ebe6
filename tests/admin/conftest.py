"""The admin address's app, asked without a server in between."""

import json
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from postroad.admin import (
    DeadApi,
    DeliveredRegion,
    DestinationsApi,
    Pages,
    RejectionsApi,
    ReplaysApi,
    admin_app,
)
from postroad.clock import ManualClock
from postroad.contract.calls import Type
from postroad.contract.decode import decode
from postroad.contract.stored import make_key, pack
from postroad.errors import UsageError
from postroad.ledger.base import Attempt, DeadLetter, Outcome, Settlement
from postroad.log.base import Entry
from postroad.regions import open_region
from postroad.rejections import Rejection, Rejections
from postroad.storage.layout import RegionFiles
from postroad.testing.memory_ledger import MemoryLedger
from postroad.testing.memory_log import MemoryLog
from postroad.web.answers import Answer
from postroad.web.token import AdminToken

TOKEN = "tok"


class Engine:
    """Notes what it is asked."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.poked = []
        self.stopped = []
        self.abandoned = []

    def poke(self, destination):
        self.poked.append(destination)

    async def open_replay(self, destination, *, start, end, **limits):
        return await self.ledger.open_account(destination, start=start, end=end, at=7, replay=json.dumps(limits))

    async def stop_replay(self, account):
        self.stopped.append(account)

    async def abandon(self, destination):
        if destination == "crm":
            raise UsageError("'crm' is in the configuration")
        self.abandoned.append(destination)

    def replay_states(self):
        return {}


class World:
    """A region with two accounts of `crm`, from before and after it was removed for a while, and its API."""

    def __init__(self, folder):
        self.clock = ManualClock()
        self.log = MemoryLog(self.clock)
        self.ledger = MemoryLedger()
        self.rejections = Rejections.open(folder / "rejections.db")
        self.engine = Engine(self.ledger)
        self.configured = {"crm"}
        self.asked = []
        self.failure = None
        self.region = replace(
            open_region("us", RegionFiles(folder), self.clock),
            configured=self.configured,
            log=self.log,
            ledger=self.ledger,
        )
        delivered = {"us": DeliveredRegion(self.region, self.ledger, self.engine)}
        dead, replays, places = DeadApi(delivered, self.clock), ReplaysApi(delivered), DestinationsApi(delivered)
        rejections = RejectionsApi({"us": self.region.rejections}, self._retry)
        pages, token = Pages(self._look, list), AdminToken(lambda: TOKEN)
        self.app = admin_app(pages, dead, rejections, replays, places, reference={}, token=token)

    async def _retry(self, body):
        self.asked.append(body)
        return Answer(200, b'{"retried":[1],"refused":[]}')

    async def _look(self):
        if self.failure:
            raise self.failure
        return []

    async def fill(self):
        """Write six events; the first two die in the old account, the other four in the new one."""
        offsets = []
        for name in range(6):
            body = b'{"userId":"u","event":"E%d","messageId":"m%d"}' % (name % 2, name)
            call = decode(body, Type.TRACK, self.clock.now(), str)
            offsets += (await self.log.append([Entry(make_key("app", f"m{name}"), pack(call, 5))])).offsets
            self.clock.advance(1)
        await self.ledger.open_account("crm", start=0, at=1)
        await self.die(1, offsets[:2])
        await self.ledger.end_account(1, offsets[2], at=1, by="abandoned")
        await self.ledger.open_account("crm", start=offsets[2], at=1)
        await self.die(2, offsets[2:])
        await self.rejections.record([Rejection(n, "app", "not_json", (), "/v1/track", 2, "", b"no") for n in (1, 2)])
        self.offsets = offsets
        return self

    async def die(self, account, offsets):
        """Settle these as dead letters, each after one failed try."""
        records = [await self.log.get(offset) for offset in offsets]
        letters = [
            DeadLetter(r.offset, r.key, r.value, f"E{n % 2}", "answered 410", n, 1, 1) for n, r in enumerate(records)
        ]
        attempts = [Attempt(offset, 3, 410, "answered 410", "gone") for offset in offsets]
        await self.ledger.settle(
            account,
            Settlement(
                dict.fromkeys(offsets, Outcome.DEAD),
                {offset >> 16: 1 for offset in offsets},
                offsets[-1] + (1 << 16),
                (),
                letters,
                attempts,
            ),
        )

    async def ask(self, method, path, body=None, token=TOKEN, **query):
        """Ask the app; returns status and the decoded answer."""
        status, _, told = await self.exchange(method, path, body, token, **query)
        return status, told

    async def exchange(self, method, path, body=None, token=TOKEN, **query):
        """Ask the app; returns status, headers and the decoded answer, also when the app raises after it answered."""
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"" if body is None else json.dumps(body).encode()}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": urlencode(query).encode(),
            "root_path": "",
            "scheme": "http",
            "server": ("x", 1),
            "headers": [(b"authorization", f"Bearer {token}".encode())] if token else [],
        }
        with suppress(LookupError):  # a bug is raised again, for the log
            await self.app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        assert "x-request-id" in headers
        return sent[0]["status"], headers, json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
async def world(tmp_path):
    """A region with dead letters and rejections."""
    world = await World(tmp_path).fill()
    yield world
    await world.rejections.close()
