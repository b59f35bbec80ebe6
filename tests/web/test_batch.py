"""Batches as clients meet them: all or nothing in strict mode, each item on its own merits otherwise."""

import json

import pytest
from wire import KEY, OTHER_KEY

from postroad.contract.stored import read_key, unpack


def event(number=0, **members):
    """Return one usable email event with an id of its own."""
    return {
        "type": "track",
        "userId": "u",
        "event": "Email Opened",
        "properties": {"email_id": "1"},
        "messageId": f"m{number}",
        **members,
    }


def batch(*items, **beside):
    """Return the body of a batch."""
    return json.dumps({"batch": items, **beside}).encode()


async def ids(server):
    """Return the message ids in the log, in order."""
    return [read_key(record.key)[1] for record in await server.stored()]


async def bodies(server):
    """Return the stored events."""
    return [json.loads(unpack(record.value).body) for record in await server.stored()]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b"])
async def test_every_item_is_stored_in_order(server, path):
    """A batch of good items is one 200, and its items are in the log in their order, each as its own type."""
    items = [event(1), {"type": "identify", "userId": "u", "messageId": "i"}, event(2)]
    assert (await server.post(batch(*items), path=path, strict=True)).status == 200
    assert await ids(server) == ["m1", "i", "m2"]
    assert [body["type"] for body in await bodies(server)] == ["track", "identify", "track"]


async def test_a_strict_batch_with_bad_items_stores_nothing_and_names_each(server):
    """400 names every bad item by its place and everything that is wrong with it; the good ones are not stored."""
    bad = event(2, properties={"email_id": 5}, userId=None, anonymousId="a")
    reply = await server.post(batch(event(1), bad, event(3), {"type": "track"}, 7), path="/v1/batch", strict=True)
    assert reply.status == 400
    assert {detail["path"] for detail in reply.details} == {
        "batch[1].userId",
        "batch[1].properties.email_id",
        "batch[3].event",
        "batch[3]",
        "batch[4]",
    }
    assert reply.message == "3 of 5 items break the contract: 1, 3-4; nothing of the batch was stored"
    assert await server.stored() == []
    assert await server.rejected() == []


async def test_a_permissive_batch_takes_what_it_can(server):
    """The good items are stored, those with violations too, and each unusable one is a rejection with its bytes."""
    wrong = event(2, properties={"email_id": 5})
    reply = await server.post(batch(event(1), wrong, {"type": "track"}, event(3)), path="/v1/batch")
    assert (reply.status, reply.headers["x-postroad-violations"]) == (200, "1")
    assert await ids(server) == ["m1", "m2", "m3"]
    [rejection] = await server.rejected()
    assert (rejection.body, rejection.code, rejection.path) == (b'{"type": "track"}', "no_identity", "/v1/batch")


NOT_BATCHES = {
    "an empty list": ({"batch": []}, "not_a_batch"),
    "no list": ({"batch": {"0": {}}}, "not_a_batch"),
    "no batch": ({"type": "track"}, "not_a_batch"),
    "null": ({"batch": None}, "not_a_batch"),
    "a list": ([{"type": "track"}], "not_an_object"),
    "too many": ({"batch": [0] * 10_001}, "not_a_batch"),
    "a context that grows to gigabytes": (
        {"batch": [{"type": "track"}] * 5_000, "context": {"a": "x" * 400_000}},
        "too_large",
    ),
}


@pytest.mark.parametrize(("body", "code"), NOT_BATCHES.values(), ids=NOT_BATCHES)
async def test_what_is_no_batch(server, body, code):
    """Strict: 400 with the reason. Permissive: 200, and one rejection with the whole body."""
    raw = json.dumps(body).encode()
    strict = await server.post(raw, path="/v1/batch", strict=True)
    assert (strict.status, strict.codes[-1]) == (400, code)
    assert (await server.post(raw, path="/v1/batch")).status == 200
    [rejection] = await server.rejected()
    assert (rejection.code, rejection.body) == (code, raw)


BAD_ITEMS = {
    "nested": ({"batch": [{"type": "track"}]}, "unknown_type"),
    "no type": ({"userId": "u", "event": "e"}, "unknown_type"),
    "a type of its own": ({"type": "Track", "userId": "u", "event": "e"}, "unknown_type"),
    "a number": (1, "not_an_object"),
    "null": (None, "not_an_object"),
    "too large": (event(1, extra="x" * 33_000), "too_large"),
    "too deep": (event(1, extra=json.loads("[" * 100 + "]" * 100)), "too_deep"),
}


@pytest.mark.parametrize(("item", "code"), BAD_ITEMS.values(), ids=BAD_ITEMS)
async def test_what_is_no_item(server, item, code):
    """One item that can't be used costs nobody but itself."""
    strict = await server.post(batch(event(7), item), path="/v1/batch", strict=True)
    assert (strict.status, strict.codes[-1]) == (400, code)
    assert strict.details[-1]["path"].startswith("batch[1]")
    assert (await server.post(batch(event(7), item, event(8)), path="/v1/batch")).status == 200
    assert await ids(server) == ["m7", "m8"]
    assert [rejection.code for rejection in await server.rejected()] == [code]


async def test_what_the_batch_shares_is_merged_into_each_item(server):
    """`context` and `integrations` reach every item, shallowly, and an item's own members win; so does sentAt."""
    shared = {"context": {"a": 1, "b": {"x": 1}}, "integrations": {"All": False}, "sentAt": "2026-01-01T00:00:00Z"}
    items = [event(1), event(2, context={"b": {"y": 2}}, integrations={"All": True}, sentAt="2026-01-02T00:00:00Z")]
    assert (await server.post(batch(*items, **shared), path="/v1/batch", strict=True)).status == 200
    first, second = await bodies(server)
    assert (first["context"], first["integrations"]) == (shared["context"], shared["integrations"])
    assert (second["context"], second["integrations"]) == ({"a": 1, "b": {"y": 2}}, {"All": True})
    assert (first["sentAt"], second["sentAt"]) == ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")


async def test_a_rejected_item_keeps_what_the_batch_shared(server):
    """Retried later, an item must not forget whom it was for: its rejection has the shared members, and its place."""
    body = batch(event(1), {"type": "track", "userId": "u"}, integrations={"All": False})
    assert (await server.post(body, path="/v1/batch")).status == 200
    [rejection] = await server.rejected()
    assert json.loads(rejection.body) == {"type": "track", "userId": "u", "integrations": {"All": False}}
    assert rejection.index == 1


async def test_the_limit_counts_what_is_merged(server):
    """An item is measured with what it shares: 31 KiB of context leave no room for 2 KiB of its own."""
    shared = {"context": {"a": "x" * 31_000}}
    assert (await server.post(batch(event(1), **shared), path="/v1/batch")).status == 200
    assert (await server.post(batch(event(2, extra="x" * 2_000), **shared), path="/v1/batch")).status == 200
    assert await ids(server) == ["m1"]
    own = event(3, extra="x" * 2_000, context={"a": "small"})
    assert (await server.post(batch(own, **shared), path="/v1/batch")).status == 200
    assert await ids(server) == ["m1", "m3"]


async def test_a_shared_member_of_another_type_is_a_violation_of_each(server):
    """A context that is no object merges nothing, and every item says so; strict mode refuses."""
    body = batch(event(1), event(2), context="x")
    assert (await server.post(body, path="/v1/batch", strict=True)).status == 400
    reply = await server.post(body, path="/v1/batch")
    assert (reply.status, reply.headers["x-postroad-violations"]) == (200, "2")


async def test_a_batch_over_500_kib(server):
    """Strict: 400. Permissive: up to 4 MiB it is taken, with a violation on each item; beyond, it is rejected."""
    large = batch(*(event(number, extra="x" * 9_000) for number in range(60)))
    assert (await server.post(large, path="/v1/batch", strict=True)).codes == ["too_large"]
    reply = await server.post(large, path="/v1/batch")
    assert (reply.status, reply.headers["x-postroad-violations"]) == (200, "60")
    assert len(await server.stored()) == 60
    huge = batch(*(event(number, extra="x" * 30_000) for number in range(150)))
    assert (await server.post(huge, path="/v1/batch")).status == 200
    assert len(await server.stored()) == 60
    assert [rejection.body for rejection in await server.rejected()] == [None]


async def test_ten_thousand_tiny_items(server):
    """The largest batch there can be is answered, and stored whole."""
    items = [{"type": "track", "userId": "u", "event": "e"}] * 10_000
    assert (await server.post(batch(*items), path="/v1/batch", strict=True)).status == 200
    assert len(await server.stored()) == 10_000


async def test_the_same_batch_again_is_stored_once(server):
    """A client that didn't see the answer sends all of it again: nothing is stored twice."""
    body = batch(event(1), event(2), event(1))
    assert (await server.post(body, path="/v1/batch")).status == 200
    assert (await server.post(body, path="/v1/batch")).status == 200
    assert await ids(server) == ["m1", "m2"]


async def test_the_key_may_be_in_the_body_or_in_an_item(server):
    """Without a header the body's `writeKey` counts, then that of the first item; neither is stored."""
    for number, body in enumerate([batch(event(0), writeKey=KEY), batch(event(1, writeKey=KEY))]):
        assert (await server.post(body, path="/v1/b", key=None)).status == 200
        assert len(await server.stored()) == number + 1
    assert "writeKey" not in str(await bodies(server))


@pytest.mark.parametrize(
    ("body", "path", "violations"),
    [
        (batch(event(1), event(2), writeKey=OTHER_KEY), "writeKey", 2),
        (batch(event(1, writeKey=OTHER_KEY)), "batch[0].writeKey", 1),
        (batch(event(1, writeKey=KEY), event(2, writeKey=OTHER_KEY)), "batch[1].writeKey", 1),
        (batch(event(1), event(2), event(3, writeKey="nobodys"), writeKey=KEY), "batch[2].writeKey", 1),
    ],
)
async def test_a_key_in_the_body_that_is_somebody_elses(server, body, path, violations):
    """The header decides; another key is a violation of the item that has it, of all if it is the batch's; a 400 in
    strict mode names the place.
    """
    strict = await server.post(body, path="/v1/batch", strict=True)
    assert (strict.status, strict.codes, strict.details[0]["path"]) == (400, ["key_mismatch"], path)
    reply = await server.post(body, path="/v1/batch")
    assert (reply.status, reply.headers["x-postroad-violations"]) == (200, str(violations))
    count = len(json.loads(body)["batch"])
    assert [read_key(record.key)[0] for record in await server.stored()] == ["app"] * count
