"""Ingest as clients meet it: the real HTTP server, raw bytes in, exact answers out."""

import json

import pytest
from wire import GOOD, KEY, STRICT_KEY

from postroad.contract.stored import read_key, unpack

WRONG = b'{"anonymousId":"a","event":"Email Opened","properties":{"email_id":1}}'

UNUSABLE = {
    "no JSON": (b"hello", "not_json"),
    "cut off": (GOOD[:-1], "not_json"),
    "two objects": (GOOD + GOOD, "not_json"),
    "empty": (b"", "not_json"),
    "blank": (b" \r\n", "not_json"),
    "not UTF-8": (GOOD.replace(b'"u"', b'"\xff"'), "not_json"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "not_json"),
    "half a surrogate": (GOOD.replace(b'"u"', b'"\\ud800"'), "not_json"),
    "half a surrogate in a free member": (GOOD[:-1] + b',"x":"\\udc00"}', "not_json"),
    "NaN": (GOOD[:-1] + b',"x":NaN}', "not_json"),
    "an array": (b"[" + GOOD + b"]", "not_an_object"),
    "a string": (b'"x"', "not_an_object"),
    "null": (b"null", "not_an_object"),
    "10,000 deep": (GOOD[:-1] + b',"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too_deep"),
    "10,000 deep and cut off": (b'{"x":' * 5_000 + b"[" * 1_000, "too_deep"),
    "one byte over the limit": (GOOD[:-1] + b" " * (32 * 1024 - len(GOOD)) + b" }", "too_large"),
    "far over the limit": (b'"' + b"x" * (5 << 20) + b'"', "too_large"),
    "nobody": (b'{"event":"Order Placed"}', "no_identity"),
    "no event name": (b'{"userId":"u","event":" "}', "no_event_name"),
}


@pytest.mark.parametrize(("body", "code"), UNUSABLE.values(), ids=UNUSABLE)
async def test_what_cannot_become_an_event(server, body, code):
    """Strict: 400 with the reason. Permissive: 200, and a rejection with the reason and the body. Never stored."""
    strict = await server.post(body, strict=True)
    assert (strict.status, strict.codes[-1]) == (400, code)
    assert await server.rejected() == []
    assert (await server.post(body)).status == 200
    [rejection] = await server.rejected()
    assert (rejection.source, rejection.code, rejection.size) == ("app", code, len(body))
    assert rejection.body == (body if len(body) <= 4 << 20 else None)
    assert await server.stored() == []
    assert (await server.post(GOOD, strict=True)).status == 200


ODD = {
    "a member twice": (GOOD[:-1] + b',"userId":"v"}', 0),
    "a huge number": (GOOD[:-1] + b',"x":' + b"9" * 5_000 + b',"y":1e999}', 0),
    "a huge numeric id": (GOOD.replace(b'"u"', b"9" * 500), 0),
    "exactly the limit": (GOOD[:-1] + b" " * (32 * 1024 - len(GOOD)) + b"}", 0),
    "64 deep": (GOOD[:-1] + b',"x":' + b"[" * 63 + b"]" * 63 + b"}", 0),
    "NUL in a string": (GOOD.replace(b'"u"', b'"\\u0000"'), 0),
    "brackets in a string": (GOOD.replace(b'"u"', b'"' + b"[{" * 500 + b'"'), 0),
}


@pytest.mark.parametrize(("body", "violations"), ODD.values(), ids=ODD)
async def test_odd_but_right(server, body, violations):
    """What JSON allows is stored, in both modes, without a word."""
    for strict in (True, False):
        reply = await server.post(body, strict=strict)
        assert (reply.status, reply.headers.get("x-postroad-violations", "0")) == (200, str(violations))
    assert len(await server.stored()) == 2
    assert await server.rejected() == []


async def test_the_last_of_two_members_counts(server):
    """Of a member that is there twice the last one is read."""
    await server.post(GOOD[:-1] + b',"messageId":"a","messageId":"b"}')
    assert [read_key(record.key) for record in await server.stored()] == [("app", "b")]


async def test_an_event_with_violations(server):
    """Strict: 400 with every problem, nothing stored. Permissive: 200, stored with the violations noted."""
    strict = await server.post(WRONG, strict=True)
    sentences = ["userId: is required", "properties.email_id: must be a string, not 1"]
    assert (strict.status, strict.errors, strict.codes) == (400, sentences, ["required", "wrong_type"])
    assert json.loads(strict.body)["code"] == "invalid"
    assert (await server.stored(), await server.rejected()) == ([], [])
    lenient = await server.post(WRONG)
    assert (lenient.status, lenient.headers["x-postroad-violations"]) == (200, "2")
    [record] = await server.stored()
    assert [problem.sentence for problem in unpack(record.value).violations] == sentences


async def test_only_1_is_strict(server):
    """Any other value of X-Strict-Mode is permissive; a source may be strict whatever its clients say."""
    for value in ("0", "true", "11", ""):
        assert (await server.post(WRONG, f"X-Strict-Mode: {value}")).status == 200
    assert (await server.post(WRONG, key=STRICT_KEY)).status == 400


@pytest.mark.parametrize("path", ["identify", "page", "screen", "group", "alias", "i", "p", "s", "g", "a", "t"])
async def test_every_path_of_a_call(server, path):
    """The six calls, long and one-letter, store an event of their own type."""
    body = b'{"userId":"u","groupId":"g","previousId":"p","event":"e"}'
    assert (await server.post(body, strict=True, path=f"/v1/{path}")).status == 200
    [record] = await server.stored()
    assert unpack(record.value).type.wire.startswith(path)


async def test_a_duplicate_is_200_and_stored_once(server):
    """The same message id again is a success; only one event is stored."""
    body = GOOD[:-1] + b',"messageId":"m"}'
    for again in (body, body, body.replace(b'"u"', b'"v"')):
        assert (await server.post(again, strict=True)).status == 200
    assert len(await server.stored()) == 1


@pytest.mark.parametrize("strict", [True, False])
async def test_a_failing_store_is_503_in_both_modes(server, strict):
    """Nothing is kept, the client is told to come back, the reason stays here, and the next try is stored."""
    body = GOOD[:-1] + b',"messageId":"m"}'
    server.log.broken = "/secret/path is full"
    for sent in (body, b"hello"):
        reply = await server.post(sent, strict=strict)
        assert (reply.status, json.loads(reply.body)["code"]) == (503, "unavailable")
        assert 5 <= int(reply.headers["retry-after"]) <= 15
        assert b"secret" not in reply.body
    assert (await server.stored(), await server.rejected()) == ([], [])
    server.log.broken = None
    assert (await server.post(body, strict=strict)).status == 200
    assert len(await server.stored()) == 1


async def test_a_failing_store_is_told_before_the_body_is_sent(server):
    """A client with a large body learns at once that nothing can be kept."""
    server.log.broken = "the disk is full"
    head = f"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 99999\r\n\r\n"
    assert (await server.send(head.encode())).status == 503


async def test_a_bug_is_a_500_with_its_request_id(server):
    """An exception nobody expected is an answer of the same shape, and the server goes on."""
    server.log.bug = RuntimeError("a secret")
    reply = await server.post(GOOD)
    assert (reply.status, json.loads(reply.body)["code"]) == (500, "internal")
    assert b"secret" not in reply.body
    server.log.bug = None
    assert (await server.post(GOOD)).status == 200


async def test_a_byte_order_mark_is_no_reason_to_refuse(server):
    """UTF-8's mark before the JSON is dropped."""
    reply = await server.post(b"\xef\xbb\xbf" + GOOD, strict=True)
    assert (reply.status, reply.body) == (200, b"{}")
    assert await server.rejected() == []
    [record] = await server.stored()
    assert unpack(record.value).body.startswith(b"{")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/TRACK", "/v2/track", "/" + "x" * 5_000])
async def test_an_unknown_path_is_404(server, path):
    """There is nothing else here, and the answer doesn't repeat a long path."""
    reply = await server.post(GOOD, path=path)
    assert (reply.status, json.loads(reply.body)["code"]) == (404, "not_found")
    assert len(reply.body) < 500


async def test_another_method_is_405(server):
    """The answer names the methods of the path."""
    reply = await server.send(b"GET /v1/track HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert "x-request-id" in reply.headers
    assert reply.errors == ["/v1/track takes POST"]
    page = await server.post(b"", path="/livez")
    assert (page.status, page.headers["allow"]) == (405, "GET, HEAD")


async def test_request_ids_differ(server):
    """No two answers have the same X-Request-Id."""
    ids = {(await server.post(GOOD)).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5
