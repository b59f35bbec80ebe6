"""Batches that are no JSON as a whole: each item, and each member beside them, costs only itself."""

import json

import pytest
from test_batch import batch, bodies, event, ids
from wire import KEY

HALF = rb'"\ud83d"'
BAD = {
    "half a character": (b'{"type":"track","userId":"u","event":%b}' % HALF, "not_json"),
    "half a character as a name": (b'{"type":"track",%b:1}' % HALF, "not_json"),
    "nested 1,000 deep": (b'{"x":' + b"[" * 1000 + b"]" * 1000 + b"}", "too_deep"),
    "nested 100,000 deep": (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_large"),
    "no UTF-8": (b'{"type":"track","userId":"\xff"}', "not_json"),
    "no UTF-8 in a name": (b'{"type":"track","\xc3":1}', "not_json"),
    "a leading zero": (b'{"x":01}', "not_json"),
    "NaN": (b'{"x":NaN}', "not_json"),
    "a bad escape": (rb'{"x":"\q"}', "not_json"),
    "a control character": (b'{"x":"a\nb"}', "not_json"),
    "no value": (b'{"a":}', "not_json"),
    "a comma too many": (b'{"a":1,}', "not_json"),
    "brackets that cross": (b'{"a":[}]', "not_json"),
    "nothing": (b"", "not_an_object"),
    "a word": (b"undefined", "not_an_object"),
    "two values": (b"{}{}", "not_json"),
}


def apart(*items, beside=b""):
    """Return a batch of items as they are written."""
    return b'{"batch":[%b]%b}' % (b",".join(items), beside)


def written(number):
    """Return a good item as it is written."""
    return json.dumps(event(number)).encode()


@pytest.mark.parametrize(("item", "code"), BAD.values(), ids=BAD)
async def test_a_bad_item_costs_only_itself(server, item, code):
    """Permissive: its siblings are stored, it is one rejection with its bytes and place. Strict: 400 names it."""
    body = apart(written(0), item, written(2))
    strict = await server.post(body, path="/v1/batch", strict=True)
    assert (strict.status, strict.codes, [one["path"] for one in strict.details]) == (400, [code], ["batch[1]"])
    assert strict.message.startswith("1 of 3 items break the contract: 1;")
    assert await ids(server) == []
    assert (await server.post(body, path="/v1/batch")).status == 200
    assert await ids(server) == ["m0", "m2"]
    [rejection] = await server.rejected()
    assert (rejection.body, rejection.code, rejection.index) == (item, code, 1)


async def test_odd_items_that_are_calls_are_stored(server):
    """A number beyond every float, and a member that is there twice, are JSON: they are as good as alone."""
    odd = b'{"type":"track","userId":"u","event":"e","messageId":"a","messageId":"odd","x":1e999}'
    assert (await server.post(apart(odd, HALF, b"1"), path="/v1/batch")).status == 200
    assert await ids(server) == ["odd"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"batch":[{"a":"x}]}',
        b'{"batch":[{"type":"track"}',
        b'{"batch":[{"type":"track"]}}',
        apart(written(0), HALF) + b"x",
        apart(written(0), HALF)[:-1] + b"]",
    ],
)
async def test_what_does_not_balance_is_one_rejection(server, body):
    """Where no item begins and ends for sure, the whole body is rejected, or refused."""
    assert (await server.post(body, path="/v1/batch", strict=True)).codes == ["not_json"]
    assert (await server.post(body, path="/v1/batch")).status == 200
    [rejection] = await server.rejected()
    assert (rejection.body, rejection.index) == (body, None)


SEEN = {"context": {"ip": "::1"}}
BESIDE = {
    "an unknown member": (b',"x":%b' % HALF, "x", "not_json", {}),
    "an unknown member, very deep": (b',"x":' + b"[" * 20_000 + b"]" * 20_000, "x", "too_deep", {}),
    "a name": (b",%b:1" % HALF, "", "not_json", {}),
    "no member": (b",x", "", "not_json", {}),
    "no UTF-8": (b',"x":"\xff"', "x", "not_json", {}),
    "sentAt": (b',"sentAt":%b' % HALF, "sentAt", "not_json", {}),
    "a sentAt that is no time": (b',"sentAt":"today"', "sentAt", "bad_timestamp", {}),
    "one of context": (
        b',"context":{"ip":"::1","locale":%b,"page":NaN}' % HALF, "context.locale", "not_json", SEEN,
    ),
    "a deep one of context": (
        b',"context":{"ip":"::1","x":' + b"[" * 63 + b"]" * 63 + b"}", "context.x", "too_deep", SEEN,
    ),
    "context": (b',"context":{"ip" "::1"}', "context", "not_json", {}),
    "one of integrations": (
        b',"integrations":{"All":false,"Mixpanel":true,"CRM":%b}' % HALF,
        "integrations.CRM", "not_json", {"integrations": {"All": False, "Mixpanel": True}},
    ),
    "All": (
        b',"integrations":{"All":%b,"Mixpanel":true}' % HALF,
        "integrations.All", "not_json", {"integrations": {"All": False, "Mixpanel": True}},
    ),
    "integrations": (
        b',"integrations":{All:true,"CRM":true}', "integrations", "not_json",
        {"integrations": {"CRM": True, "All": False}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("beside", "path", "code", "shared"), BESIDE.values(), ids=BESIDE)
async def test_what_cannot_be_read_beside_the_items_is_left_out(server, beside, path, code, shared):
    """It is a violation of each item, which is stored with the rest of what the batch shares; strict mode refuses."""
    body = apart(written(0), written(1), beside=beside)
    strict = await server.post(body, path="/v1/batch", strict=True)
    assert (strict.status, strict.codes, strict.details[0]["path"]) == (400, [code], path)
    reply = await server.post(body, path="/v1/batch")
    assert (reply.status, reply.headers["x-postroad-violations"]) == (200, "2")
    for number, stored in enumerate(await bodies(server)):
        for name in ("receivedAt", "timestamp"):
            stored.pop(name)
        assert stored == event(number) | shared


async def test_the_first_hundred_problems_in_full_and_every_bad_item(server):
    """However many items are bad, the answer is bounded, and its message has the place of each as ranges."""
    items = [event(number) if number % 100 == 7 else {} for number in range(1000)]
    reply = await server.post(batch(*items), path="/v1/batch", strict=True)
    assert len(reply.details) == len(reply.errors) == 100
    places = "0-6, 8-106, 108-206, 208-306, 308-406, 408-506, 508-606, 608-706, 708-806, 808-906, 908-999"
    assert reply.message == f"990 of 1000 items break the contract: {places}; nothing of the batch was stored"


async def test_a_key_in_a_body_that_cannot_be_read_as_a_whole(server):
    """Browser and mobile clients have their key only there: half a character must not make strangers of them."""
    body = apart(HALF, written(1), beside=b',"writeKey":"%b"' % KEY.encode())
    assert (await server.post(body, path="/v1/b", key=None)).status == 200
    first = b'{"writeKey":"%b","event":%b}' % (KEY.encode(), HALF)
    assert (await server.post(apart(first, written(2)), path="/v1/b", key=None)).status == 200
    assert await ids(server) == ["m1", "m2"]
    assert (await server.post(first, path="/v1/t", key=None)).status == 200
    assert (await server.post(first, path="/v1/t", key=None, strict=True)).codes == ["not_json"]
    assert [(one.source, one.code) for one in await server.rejected()] == [
        ("app", "not_json"),
        ("app", "not_json"),
        ("app", "not_an_object"),
    ]


async def test_half_a_character_is_named(server):
    """The reason tells what is wrong, not how the decoder lost its way."""
    reply = await server.post(b'{"userId":"u","event":"\\ud83d\\ude00 \\\\ud83d \\uD83d"}', strict=True)
    assert "half a character, \\uD83d;" in reply.errors[0]
