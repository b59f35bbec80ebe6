"""The ingest address in this process, with stores in memory that look at what they are given."""

import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import ip_network
from itertools import count
from typing import Final, NamedTuple

import msgspec
from material import KEY, PUBLIC_KEY, STRICT_KEY

from postroad.clock import ManualClock
from postroad.contract.refusals import Error
from postroad.contract.stored import unpack
from postroad.ingest.app import IngestApp
from postroad.ingest.browser import BrowserSettings
from postroad.ingest.forwarded import Proxies
from postroad.ingest.ingest import Ingest
from postroad.ingest.keyring import ApiSource, KeyRing
from postroad.ingest.senders import Senders
from postroad.ingest.tally import IngestTally
from postroad.log.base import Entry, Receipt
from postroad.regions import IngestStores
from postroad.rejections import Rejection
from postroad.testing.memory_log import MemoryLog
from postroad.web.answers import OK, Answer

HOSTS: Final = {"us": ("cdp.example.com",), "eu": ("eu.example.com",)}
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CODES: Final = {error.code: error.status for error in Error}


class Broken(Exception):
    """A promise does not hold for a case."""


def demand(held: bool, promise: str, *found: object) -> None:  # noqa: FBT001  # what holds or not
    """Raise `Broken` unless the promise is held."""
    if not held:
        raise Broken(f"{promise}: {found}")


class Reply(NamedTuple):
    """An answer; header names in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def check(reply: Reply) -> None:
    """Demand what every answer promises: a documented status, its id, and the one shape of its body."""
    demand(reply.headers.get(b"x-request-id", b"").startswith(b"req-"), "every answer has its request id", reply)
    if reply.status in {200, 204}:
        return
    demand(reply.status in {400, 401, 404, 405, 414, 431}, "no 5xx, and nothing that is not documented", reply)
    told = json.loads(reply.body)
    demand(list(told) == ["code", "message", "meta"], "an error body has its shape", reply)
    demand(told["code"] in _CODES and isinstance(told["message"], str), "its code is one of the list", reply)
    errors, details = told["meta"]["errors"], told["meta"]["details"]
    demand(bool(errors) and all(isinstance(one, str) for one in errors), "errors are sentences", reply)
    demand(all(list(one) == ["path", "code", "message"] for one in details), "details have their shape", reply)
    demand(len(errors) <= 100 and len(details) <= 100, "at most a hundred problems stand in full", reply)  # noqa: PLR2004
    if reply.status == Error.UNAUTHORIZED.status:
        demand(told["code"] == Error.UNAUTHORIZED.code, "a 401 says so", reply)


class _Clock(ManualClock):
    """A clock that stands still but where somebody sleeps: nobody has to wait."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


class _Log(MemoryLog):
    """A log that counts what it stores, and demands that each is an event in JSON."""

    def __init__(self, clock: ManualClock, stored: Counter[str]) -> None:
        super().__init__(clock)
        self._stored_events = stored

    async def append(self, entries: Sequence[Entry], window: int = 0) -> Receipt:
        for entry in entries:
            body = unpack(entry.value).body
            demand(bool(_OBJECT.decode(body)), "what is stored is an event", body)
        receipt = await super().append(entries, window)
        self._stored_events["accepted"] += len(entries) - len(receipt.duplicates)
        return receipt


class _Rejections:
    """Rejections that count, and demand what can be written."""

    def __init__(self, stored: Counter[str]) -> None:
        self._stored = stored

    async def record(self, rejections: Sequence[Rejection]) -> None:
        for one in rejections:
            json.dumps(one.details).encode()
            for text in (one.source, one.code, one.path, one.key_fingerprint):
                text.encode()
            demand(bool(one.details), "a rejection has its reasons", one)
            demand(bool(one.source) or one.body is None, "nothing is kept of a stranger's body", one)
        self._stored["rejected"] += len(rejections)


class House:
    """Ingest for two regions with a source each way: strict when asked to, always, and public."""

    def __init__(self) -> None:
        self.stored: Counter[str] = Counter()
        self.tally = IngestTally()
        self.proxies = Proxies([ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")])
        self._clock = _Clock()
        self._stores: dict[str, IngestStores] = {}
        self.renew()
        ids = count(1)
        sources = {
            KEY: ApiSource("app", "us", always_strict=False),
            STRICT_KEY: ApiSource("strict", "us", always_strict=True),
            PUBLIC_KEY: ApiSource("page", "us", always_strict=False, is_public=True),
        }
        ring = KeyRing({sha256(key.encode()).hexdigest(): source for key, source in sources.items()})
        senders = Senders(ring, HOSTS, self.proxies)
        ingest = Ingest(senders, self._stores, self._clock, self.tally, lambda: f"id-{next(ids)}")
        pages = {"/livez": _livez}
        self.app = IngestApp(ingest, BrowserSettings(senders, self.proxies), pages, self.tally, self._clock)

    def renew(self) -> None:
        """Begin with empty stores: what they hold is not what is measured."""
        for region in HOSTS:
            self._stores[region] = IngestStores(_Log(self._clock, self.stored), _Rejections(self.stored))

    def counted(self) -> Counter[str]:
        """Return how many items became what, over all sources."""
        totals: Counter[str] = Counter()
        for (_, _, outcome), items in self.tally.items.items():
            totals[outcome] += items
        return totals


async def _livez() -> Answer:
    return OK
