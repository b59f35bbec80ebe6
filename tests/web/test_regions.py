"""Two regions in one process: the key decides, and a host of the other region objects."""

import json
from hashlib import sha256

import pytest
from wire import call

from postroad.clock import ManualClock
from postroad.contract.stored import read_key
from postroad.ingest.app import IngestApp
from postroad.ingest.browser import BrowserSettings
from postroad.ingest.ingest import Ingest
from postroad.ingest.keyring import ApiSource, KeyRing
from postroad.ingest.senders import Senders
from postroad.ingest.tally import IngestTally
from postroad.regions import IngestStores
from postroad.rejections import Rejections, RejectionsReader
from postroad.testing.memory_log import MemoryLog

EVENT = {"userId": "u", "event": "Email Opened", "properties": {"email_id": "1"}, "messageId": "m"}
HOSTS = {"us": ("cdp.example.com",), "eu": ("cdp-eu.example.com", "2001:db8::1")}


class Regions:
    """Ingest of two regions, without its HTTP server."""

    def __init__(self, folder):
        clock, tally = ManualClock(), IngestTally()
        self.folder = folder
        self.logs = {region: MemoryLog(clock) for region in HOSTS}
        self.rejections = {region: Rejections.open(folder / f"{region}.db") for region in HOSTS}
        sources = {f"key-{region}": ApiSource(f"app-{region}", region, always_strict=False) for region in HOSTS}
        keys = KeyRing({sha256(key.encode()).hexdigest(): source for key, source in sources.items()})
        stores = {region: IngestStores(self.logs[region], self.rejections[region]) for region in HOSTS}
        senders = Senders(keys, HOSTS)
        ingest = Ingest(senders, stores, clock, tally, lambda: "id")
        self._settings = BrowserSettings(senders)
        self._app = IngestApp(ingest, self._settings, {}, tally, clock)

    async def post(self, key, host, *, strict=False, in_body=False):
        """Send an event with a key to a host; return status and body."""
        event = {**EVENT, "writeKey": key} if in_body else EVENT
        headers = {"host": host, "x-strict-mode": "1" if strict else "0"}
        if not in_body:
            headers["authorization"] = f"Bearer {key}"
        return await call(self._app, headers, event)

    async def settings(self, key, host):
        """Ask for a browser's settings."""
        scope = {"headers": [(b"host", host.encode())], "scheme": "http", "client": ("127.0.0.1", 1)}
        return self._settings.answer(f"/v1/projects/{key}/settings", scope)

    async def stored(self, region):
        """Return the sources of what is in a region's log."""
        blocks = await self.logs[region].read(0, 1 << 20)
        return [read_key(record.key)[0] for block in blocks for record in block.records]

    async def rejected(self, region):
        """Return a region's rejections."""
        return list(await RejectionsReader(self.folder / f"{region}.db").newest())

    async def close(self):
        """Let the files go."""
        for rejections in self.rejections.values():
            await rejections.close()


@pytest.fixture
async def regions(tmp_path):
    """Two regions."""
    both = Regions(tmp_path)
    yield both
    await both.close()


@pytest.mark.parametrize("host", ["cdp.example.com", "CDP.example.com:8443", "localhost:8080", "10.0.0.1"])
@pytest.mark.parametrize("in_body", [False, True])
async def test_the_key_decides_the_region(regions, host, in_body):
    """At its own host, and at one that nobody lists, an event goes to the region of its key."""
    assert (await regions.post("key-us", host, strict=True, in_body=in_body))[0] == 200
    assert (await regions.stored("us"), await regions.stored("eu")) == (["app-us"], [])


@pytest.mark.parametrize("in_body", [False, True])
async def test_a_key_at_the_host_of_another_region(regions, in_body):
    """Strict: 401 with a sentence that names both. Permissive: a rejection without the body, in no region's log."""
    status, body = await regions.post("key-us", "cdp-eu.example.com", strict=True, in_body=in_body)
    assert status == 401
    assert "the write key belongs to region us" in json.loads(body)["message"]
    assert "cdp-eu.example.com is a host of region eu" in json.loads(body)["message"]
    assert (await regions.post("key-us", "cdp-eu.example.com:443", in_body=in_body))[0] == 200
    [rejection] = await regions.rejected("us")
    assert (rejection.code, rejection.body, rejection.source) == ("key_of_other_region", None, "")
    assert rejection.key_fingerprint == sha256(b"key-us").hexdigest()[:8]
    assert (await regions.stored("us"), await regions.stored("eu"), await regions.rejected("eu")) == ([], [], [])


@pytest.mark.parametrize("key", ["sk_asia_abc", "pk_asia_abc"])
async def test_a_key_of_a_region_that_is_served_elsewhere(regions, key):
    """A key says its region: one that is not served here is told so, and is no typo."""
    status, body = await regions.post(key, "localhost", strict=True)
    assert (status, json.loads(body)["meta"]["details"][0]["code"]) == (401, "key_of_other_region")
    assert "region asia, which is not served here" in json.loads(body)["message"]


@pytest.mark.parametrize(
    ("key", "host", "status"), [("key-us", "cdp-eu.example.com", 401), ("key-us", "localhost", 200)]
)
async def test_a_browser_is_not_sent_to_another_region(regions, key, host, status):
    """An SDK that asks a host of another region for its settings learns that it would send there in vain."""
    answer = await regions.settings(key, host)
    assert answer.status == status


async def test_a_host_may_be_an_address(regions):
    """An IPv6 address that a region lists is its host, however the client writes it."""
    for host in ("[2001:db8::1]", "[2001:DB8::1]:8080"):
        assert (await regions.post("key-us", host, strict=True))[0] == 401
        assert (await regions.post("key-eu", host, strict=True))[0] == 200
