"""The Java clients against the real server. They wait 15 s between two tries, so nothing here makes them try again."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from counting import Proxy, proxying
from modes import Postroad
from official import JAVA, email_events, new_run, send
from server import KEY

pytestmark = [pytest.mark.full, pytest.mark.asyncio(loop_scope="session")]
each_client = pytest.mark.parametrize("client", JAVA)
PATHS = dict(zip(JAVA, ("/v1/import/", "/v1/batch"), strict=True))


@pytest_asyncio.fixture(loop_scope="session")
async def to_strict(strict: Postroad) -> AsyncIterator[Proxy]:
    """The way to the strict server."""
    async with proxying(strict.port) as proxy:
        yield proxy


@each_client
@pytest.mark.parametrize("batch", [1, 10])
async def test_each_email_event_arrives_once(client: str, batch: int, to_strict: Proxy, strict: Postroad) -> None:
    """What the client sent, one by one or together, is what the archive got, and the client says that all went well."""
    run = new_run()
    sent = email_events(run)
    assert await send(client, to_strict.url, KEY, sent, batch=batch, gzip=batch > 1) == []
    assert {call.path for call in to_strict.calls()} == {PATHS[client]}
    assert set(to_strict.statuses()) == {200}
    stored = {event["properties"]["email_id"]: event for event in await strict.archived(run)}
    assert len(stored) == len(sent)
    for event in sent:
        there = stored[event["properties"]["email_id"]]
        assert [there[name] for name in ("userId", "event", "properties")] == [
            event[name] for name in ("userId", "event", "properties")
        ]
        assert there["timestamp"][:19] == event["timestamp"][:19]


@each_client
async def test_a_refusal_is_told_once(client: str, to_strict: Proxy) -> None:
    """A 400 and a 401 are not tried again, and the callback gets them."""
    assert await send(client, to_strict.url, "nobody", email_events(new_run())[:1]) != []
    broken = email_events(new_run())[0] | {"properties": {}}
    assert await send(client, to_strict.url, KEY, [broken]) != []
    assert to_strict.statuses() == [401, 400]
