"""The official server-side clients against the real server: what arrives, and how often each tries."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from counting import Exchange, Proxy, proxying
from modes import REGION_KEY, Full, Postroad
from official import NODE, PYTHON, SERVER_SIDE, email_events, new_run, send
from server import KEY

pytestmark = [pytest.mark.full, pytest.mark.asyncio(loop_scope="session")]
each_client = pytest.mark.parametrize("client", SERVER_SIDE)

GZIPS = ("customerio-cdp-analytics", "segment-analytics-python", "rudder-sdk-python", "@rudderstack/rudder-sdk-node")
RETRIES = 2
TO_THE_END = RETRIES + 1
HONOURS_RETRY_AFTER = ("segment-analytics-python", "@rudderstack/rudder-sdk-node", "customerio-node")


@pytest_asyncio.fixture(loop_scope="session")
async def to_lenient(lenient: Postroad) -> AsyncIterator[Proxy]:
    """The way to the lenient server."""
    async with proxying(lenient.port) as proxy:
        yield proxy


@pytest_asyncio.fixture(loop_scope="session")
async def to_strict(strict: Postroad) -> AsyncIterator[Proxy]:
    """The way to the strict server."""
    async with proxying(strict.port) as proxy:
        yield proxy


def same(sent: list[dict[str, Any]], stored: list[dict[str, Any]]) -> None:
    """Check that what was stored is what was sent, each once."""
    found = {event["properties"]["email_id"]: event for event in stored}
    assert len(stored) == len(found) == len(sent)
    for event in sent:
        there = found[event["properties"]["email_id"]]
        for member in ("userId", "event", "properties", "integrations"):
            assert there[member] == event[member]
        assert there["type"] == "track"
        assert there["context"]["traits"] == event["context"]["traits"]
        assert there["timestamp"][:19] == event["timestamp"][:19]
        assert there["messageId"]
    assert len({event["messageId"] for event in stored}) == len(sent)


@each_client
async def test_each_email_event_arrives_once_as_it_was_sent(client: str, to_strict: Proxy, strict: Postroad) -> None:
    """What the client sent is what the destination named in `integrations` got: nothing lost, doubled or changed."""
    run = new_run()
    sent = email_events(run)
    assert await send(client, to_strict.url, KEY, sent, retries=RETRIES, batch=1) == []
    assert to_strict.statuses() == [200] * len(sent)
    same(sent, await strict.archived(run))


@each_client
async def test_batches_arrive_item_by_item(client: str, to_lenient: Proxy, lenient: Postroad) -> None:
    """Many events in a few requests are as many events at the destination."""
    runs = [new_run() for _ in range(4)]
    sent = [event for run in runs for event in email_events(run)]
    assert await send(client, to_lenient.url, KEY, sent, retries=RETRIES, batch=10) == []
    batches = [call for call in to_lenient.calls() if call.path == "/v1/batch"]
    fewest = -(-len(sent) // 10)
    assert fewest <= len(batches) == len(to_lenient.calls()) <= fewest + 1
    assert set(to_lenient.statuses()) == {200}
    same(sent, [event for run in runs for event in await lenient.archived(run)])


@pytest.mark.parametrize("client", GZIPS)
async def test_gzipped_batches_arrive(client: str, to_strict: Proxy, strict: Postroad) -> None:
    """Compressed bodies are read, whatever Content-Type the client gives them."""
    run = new_run()
    sent = email_events(run)
    assert await send(client, to_strict.url, KEY, sent, retries=RETRIES, gzip=True) == []
    assert {call.headers.get("content-encoding") for call in to_strict.calls()} == {"gzip"}
    assert set(to_strict.statuses()) == {200}
    same(sent, await strict.archived(run))


@each_client
async def test_a_lost_answer_loses_and_doubles_nothing(client: str, to_strict: Proxy, strict: Postroad) -> None:
    """A client whose connection broke after we stored sends again, and the event is still there once."""
    run = new_run()
    sent = email_events(run)[:1]
    before = await strict.status()
    to_strict.losing = 1
    assert await send(client, to_strict.url, KEY, sent, retries=RETRIES, batch=1) == []
    assert to_strict.statuses() == [200, 200]
    same(sent, await strict.archived(run))
    assert (await strict.status())["duplicates"] == before["duplicates"] + 1


async def test_a_region_key_is_sent_as_a_bearer_token(to_strict: Proxy, strict: Postroad) -> None:
    """Customer.io's Python client sends keys such as `sk_us_…` as Bearer, and they count."""
    run = new_run()
    sent = email_events(run)
    assert await send("customerio-cdp-analytics", to_strict.url, REGION_KEY, sent) == []
    assert {call.headers["authorization"] for call in to_strict.calls()} == {f"Bearer {REGION_KEY}"}
    same(sent, await strict.archived(run))


@each_client
async def test_a_violation_in_strict_mode_is_sent_once(client: str, to_strict: Proxy, strict: Postroad) -> None:
    """A 400 stops every client at once; nothing is stored, and the client can tell why."""
    run = new_run()
    event = email_events(run)[0]
    event["properties"] = {"email_subject": "no email_id"}
    before = await strict.status()
    errors = await send(client, to_strict.url, KEY, [event], retries=RETRIES)
    assert to_strict.statuses() == [400]
    assert len(errors) == 1
    if client in PYTHON:
        assert "invalid" in errors[0]
    elif client.startswith("customerio-node"):
        assert "properties.email_id: is required" in errors[0]
    assert (await strict.status())["appended"] == before["appended"]


@each_client
async def test_a_violation_in_permissive_mode_is_taken(client: str, to_lenient: Proxy) -> None:
    """Without strict mode the same event is answered 200, with its violations counted; sent once."""
    event = email_events(new_run())[0]
    event["properties"] = {"email_subject": "no email_id"}
    errors = await send(client, to_lenient.url, KEY, [event], retries=RETRIES)
    if client == "customerio-node strict":
        assert (to_lenient.statuses(), len(errors)) == ([400], 1)
    else:
        assert (to_lenient.statuses(), errors) == ([200], [])
        assert to_lenient.calls()[0].answer_headers["x-postroad-violations"] == "1"


@each_client
async def test_an_unknown_key_in_strict_mode(client: str, to_strict: Proxy) -> None:
    """A 401 stops every client at once but Customer.io's Node client, which tries to the end whatever we say."""
    tries = TO_THE_END if client == "@customerio/cdp-analytics-node" else 1
    errors = await send(client, to_strict.url, "no-such-key", email_events(new_run())[:1], retries=RETRIES)
    assert to_strict.statuses() == [401] * tries
    assert len(errors) == 1


@each_client
async def test_an_unknown_key_in_permissive_mode(client: str, to_lenient: Proxy, lenient: Postroad) -> None:
    """Without strict mode an unknown key is answered 200, sent once, and nothing is delivered."""
    run = new_run()
    errors = await send(client, to_lenient.url, "no-such-key", email_events(run)[:1], retries=RETRIES)
    asked_for_the_truth = client == "customerio-node strict"
    assert to_lenient.statuses() == [401 if asked_for_the_truth else 200]
    assert len(errors) == asked_for_the_truth
    assert await lenient.archived(run) == []


@pytest.mark.parametrize("clients", [PYTHON, NODE], ids=["python", "node"])
async def test_a_full_server_is_tried_again(clients: Sequence[str], full: Full) -> None:
    """After 503 every client comes back to the end of its own budget; three of them when Retry-After says so."""
    for client, (errors, calls) in zip(clients, await asyncio.gather(*(_meet(c, full) for c in clients)), strict=True):
        assert {call.status for call in calls} == {503}, client
        assert len(errors) == 1, client
        if client == "segment-analytics-python":  # counts seconds, not tries, when it is told when to come back
            assert 2 <= len(calls) <= 4
        else:
            assert len(calls) == 2, client
        told = int(calls[0].answer_headers["retry-after"])
        assert 5 <= told <= 15
        if client.removesuffix(" strict") in HONOURS_RETRY_AFTER:
            assert calls[1].sent - calls[0].answered >= told - 1, client


async def _meet(client: str, full: Full) -> tuple[list[str], list[Exchange]]:
    async with proxying(full.port) as proxy:
        errors = await send(client, proxy.url, KEY, email_events(new_run())[:1], retries=1, patience=16)
        return errors, proxy.calls()
