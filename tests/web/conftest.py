"""The real server of ingest on loopback, in the test's own process."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio
from server import free_port
from wire import KEY, OTHER_KEY, STRICT_KEY, GatedLog, Running

from postroad.clock import ManualClock
from postroad.ingest.app import IngestApp
from postroad.ingest.browser import BrowserSettings
from postroad.ingest.ingest import Ingest
from postroad.ingest.keyring import ApiSource, KeyRing
from postroad.ingest.senders import Senders
from postroad.ingest.tally import IngestTally
from postroad.regions import IngestStores
from postroad.rejections import Rejections, RejectionsReader
from postroad.runtime.serving import Listener, serve
from postroad.web.answers import OK


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock()


@pytest.fixture
def request_timeout() -> float:
    """Seconds a request may take to arrive; tests of slow clients override it."""
    return 20.0


async def livez():
    """Answer as a page does."""
    return OK


@pytest_asyncio.fixture
async def server(tmp_path: Path, request_timeout: float, clock: ManualClock) -> AsyncIterator[Running]:
    """A server with two sources of one region, one of them always strict."""
    tally, stop = IngestTally(), asyncio.Event()
    log, rejections = GatedLog(clock), Rejections.open(tmp_path / "rejections.db")
    sources = {
        KEY: ApiSource("app", "us", always_strict=False),
        OTHER_KEY: ApiSource("other-app", "us", always_strict=False),
        STRICT_KEY: ApiSource("strict-app", "us", always_strict=True),
    }
    keys = KeyRing({sha256(key.encode()).hexdigest(): source for key, source in sources.items()})
    count = itertools.count(1)
    stores = {"us": IngestStores(log, rejections)}
    senders = Senders(keys)
    ingest = Ingest(senders, stores, clock, tally, lambda: f"id-{next(count)}")
    app = IngestApp(ingest, BrowserSettings(senders), {"/livez": livez}, tally, clock)
    port = free_port()
    serving = asyncio.create_task(serve(app, Listener("127.0.0.1", port, request_timeout, 1.0), stop))
    running = Running(port, log, RejectionsReader(tmp_path / "rejections.db"))
    await _until_it_listens(running, serving)
    yield running
    stop.set()
    await serving
    await rejections.close()


async def _until_it_listens(running: Running, serving: asyncio.Task[None]) -> None:
    while not serving.done():
        try:
            _, writer = await running.connect()
        except ConnectionRefusedError:
            await asyncio.sleep(0)
        else:
            writer.close()
            return
    serving.result()
