"""Customer.io's browser client in a real Chromium against the real server, page and server on different origins."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from counting import Proxy, proxying
from modes import Full, Postroad
from official import email_events, new_run
from pages import TITLE, Visit, visiting
from server import KEY, until

from postroad.contract.email import Kind

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.full, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: "Browser") -> AsyncIterator[Visit]:
    """A page of its own for each test."""
    async with visiting(browser) as opened:
        yield opened


async def answered(proxy: Proxy, path: str, count: int) -> list[int]:
    """Wait until this many POSTs to a path were answered, and return the statuses of all."""

    async def came() -> bool:
        return sum(1 for call in proxy.calls() if call.path == path and call.status) >= count

    await until(came, f"{count} answers at {path}", patience=20)
    return [call.status for call in proxy.calls() if call.path == path]


def the_same(sent: Sequence[dict[str, Any]], stored: Sequence[dict[str, Any]]) -> None:
    """Check that what was stored is what the page sent, each once."""
    found = {event["properties"]["email_id"]: event for event in stored}
    assert len(stored) == len(found) == len(sent)
    for event in sent:
        there = found[event["properties"]["email_id"]]
        assert (there["event"], there["userId"], there["type"]) == (event["event"], event["userId"], "track")
        assert there["properties"] == event["properties"]
        assert there["integrations"].items() >= event["integrations"].items()
        assert there["context"]["traits"] == event["context"]["traits"]
        assert there["timestamp"] == event["timestamp"]
        assert there["context"]["page"]["title"] == TITLE
        assert there["messageId"].startswith("ajs-next-")


async def test_email_events_arrive_once_as_they_were_sent(visit: Visit, strict: Postroad) -> None:
    """The client starts with our settings and sends each event by itself; nothing is lost, doubled or changed."""
    run = new_run()
    async with proxying(strict.port) as proxy:
        assert await visit.load(proxy.url, KEY) == ""
        for event in email_events(run):
            await visit.track(event)
        assert await answered(proxy, "/v1/t", len(Kind)) == [200] * len(Kind)
        settings, *calls = proxy.exchanges
        assert (settings.method, settings.path, settings.status) == ("GET", f"/v1/projects/{KEY}/settings", 200)
        assert {call.headers["content-type"] for call in calls} == {"text/plain"}
        assert not any("authorization" in call.headers for call in calls)
        assert len(calls) == len(Kind)
    the_same(email_events(run), await strict.archived(run))


async def test_a_batch_of_the_page_arrives(visit: Visit, strict: Postroad) -> None:
    """With the batching strategy several events are one request to `/v1/b`, and as many events at the destination."""
    run = new_run()
    together = {"strategy": "batching", "config": {"size": len(Kind)}}
    async with proxying(strict.port) as proxy:
        assert await visit.load(proxy.url, KEY, deliveryStrategy=together) == ""
        for event in email_events(run):
            await visit.track(event)
        assert await answered(proxy, "/v1/b", 1) == [200]
    the_same(email_events(run), await strict.archived(run))


async def test_a_lost_answer_loses_and_doubles_nothing(visit: Visit, strict: Postroad) -> None:
    """A page whose connection broke after we stored sends again, and the event is still there once."""
    run = new_run()
    before = await strict.status()
    async with proxying(strict.port) as proxy:
        assert await visit.load(proxy.url, KEY) == ""
        proxy.losing = 1
        await visit.track(email_events(run)[0])
        assert await answered(proxy, "/v1/t", 2) == [200, 200]
    the_same(email_events(run)[:1], await strict.archived(run))
    assert (await strict.status())["duplicates"] == before["duplicates"] + 1


async def test_a_violation_in_strict_mode_is_sent_once(visit: Visit, strict: Postroad) -> None:
    """A 400 is the end of it: the client doesn't send the event again, and a page may read why."""
    event = email_events(new_run())[0]
    event["properties"] = {}
    async with proxying(strict.port) as proxy:
        assert await visit.load(proxy.url, KEY) == ""
        await visit.track(event)
        await visit.track(email_events(new_run())[0])
        assert await answered(proxy, "/v1/t", 2) == [400, 200]
        refused = proxy.calls()[0]
        assert json.loads(refused.answer)["meta"]["errors"] == ["properties.email_id: is required"]
        assert refused.answer_headers["access-control-allow-origin"] == "*"


async def test_a_full_server_is_asked_once(visit: Visit, full: Full) -> None:
    """This client takes 503 for an answer and drops the event: what a page sends is only as safe as that."""
    async with proxying(full.port) as proxy:
        assert await visit.load(proxy.url, KEY) == ""
        await visit.track(email_events(new_run())[0])
        await visit.track(email_events(new_run())[1])
        assert await answered(proxy, "/v1/t", 2) == [503, 503]
        assert not any("CORS" in complaint for complaint in visit.complaints)


async def test_an_unknown_key_is_told_at_once(visit: Visit, lenient: Postroad, strict: Postroad) -> None:
    """With a key that nobody has the client doesn't start, in either mode, and the console says why."""
    for server in (lenient, strict):
        visit.complaints.clear()
        async with proxying(server.port) as proxy:
            assert "belongs to no source" in await visit.load(proxy.url, "no-such-key")
            assert [exchange.status for exchange in proxy.exchanges] == [401]
        assert any("belongs to no source" in complaint for complaint in visit.complaints)


async def test_a_page_talks_to_us_only(visit: Visit, strict: Postroad) -> None:
    """What our settings tell the client makes it neither load code from anywhere nor call anybody else."""
    async with proxying(strict.port) as proxy:
        assert await visit.load(proxy.url, KEY) == ""
        await visit.track(email_events(new_run())[0])
        await answered(proxy, "/v1/t", 1)
        assert visit.elsewhere(proxy.url) == []
        assert [(exchange.method, exchange.path) for exchange in proxy.exchanges] == [
            ("GET", f"/v1/projects/{KEY}/settings"),
            ("POST", "/v1/t"),
        ]
        assert visit.complaints == []
