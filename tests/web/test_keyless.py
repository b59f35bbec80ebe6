"""Bodies whose header has no known key: only what is needed to find one is read, whatever they would make of us."""

import gzip
import json
import tracemalloc
from contextlib import contextmanager
from time import process_time

import pytest
from test_batch import batch, event, ids
from wire import KEY, OTHER_KEY

from postroad.contract.credentials import keys_in_body, keys_named_in
from postroad.contract.envelope import open_batch
from postroad.contract.limits import KEYLESS_BYTES

MIB = 1 << 20
GZIP = "Content-Encoding: gzip"


def crowd(size, key=""):
    """Return the body of a batch with an item for every two bytes, and a key behind them."""
    return b'{"batch":[%b0],"writeKey":"%b"}' % (b"0," * (size // 2 - 30), key.encode())


@contextmanager
def peak_below(size):
    """Hold what runs inside to this much memory more than there was before, in bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [4 * MIB, KEYLESS_BYTES])
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track"])
async def test_a_bomb_without_a_key_makes_nothing(server, path, size):
    """Four kilobytes of gzip would be millions of items: their number costs a caller without a known key no memory."""
    bomb = gzip.compress(crowd(size, "nobodys"))
    assert len(bomb) < 5_000
    with peak_below(4 * MIB):
        reply = await server.post(bomb, GZIP, path=path, key=None, strict=True)
    assert reply.codes == ["key_unknown" if size < MIB else "key_missing"]
    assert (await server.post(bomb, GZIP, path=path, key=None)).status == 200
    [rejection] = await server.rejected()
    assert (rejection.body, rejection.size) == (None, len(bomb))


async def test_many_bombs_without_a_key_take_little_time(server):
    """Fifty of them cost less than a tenth of a second of processor time each, by far."""
    bomb = gzip.compress(crowd(4 * MIB, "nobodys"))
    began = process_time()
    for _ in range(50):
        assert (await server.post(bomb, GZIP, path="/v1/batch", key=None)).status == 200
    assert process_time() - began < 2


@pytest.mark.parametrize("size", [4 * MIB, KEYLESS_BYTES])
def test_items_are_counted_before_they_are_made(size):
    """Of a batch with far too many items no more are made than is needed to say so, whoever sends it."""
    body = crowd(size, KEY)
    with peak_below(3 * size + 2 * MIB):
        found = open_batch(body)
    assert [(reason.code, "more than 10000 items" in reason.message) for reason in found.reasons] == [
        ("not_a_batch", True)
    ]


async def test_a_large_batch_that_names_its_key_early_is_taken(server):
    """Beyond the budget a body must name a known key within it, anywhere; then it is read like any other."""
    items = [event(number, extra="x" * 9_000) for number in range(60)]
    first = batch({**items[0], "writeKey": KEY}, *items[1:])
    assert (await server.post(gzip.compress(first), GZIP, path="/v1/b", key=None)).status == 200
    assert len(await ids(server)) == 60
    late = batch(*items, writeKey=KEY)
    assert len(late) > KEYLESS_BYTES
    assert (await server.post(late, path="/v1/b", key=None, strict=True)).codes == ["key_missing"]


async def test_a_key_that_is_named_early_is_not_yet_the_key(server):
    """What a large body names early only lets it be read: whose it is, its own key says, in the usual order."""
    items = [event(number, extra="x" * 9_000, writeKey=OTHER_KEY) for number in range(60)]
    assert (await server.post(batch(*items, writeKey=KEY), path="/v1/b", key=None)).status == 200
    assert {record.key.split(b"\0")[0] for record in await server.stored()} == {b"app"}


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ({"writeKey": "a", "batch": [{"writeKey": "b"}, {"writeKey": "c"}]}, ("a", "b")),
        ({"batch": [{"writeKey": "b"}], "writeKey": "a"}, ("a", "b")),
        ({"batch": [7, {"writeKey": "c"}], "writeKey": None}, ()),
        ({"batch": [], "writeKey": "a"}, ("a",)),
        ({"batch": {"writeKey": "b"}, "properties": {"writeKey": "c"}}, ()),
        ([{"writeKey": "a"}], ()),
    ],
)
def test_where_a_key_counts(body, keys):
    """The body's own key, then that of the first item; no other place."""
    assert keys_in_body(json.dumps(body).encode()) == keys


def test_a_key_is_found_in_what_cannot_be_read():
    """What is wrong with one item hides neither key."""
    assert keys_in_body(b'{"batch":[{"writeKey":"b","x":"\xff"},{"y":\x01}],"writeKey":"a"}') == ("a", "b")
    assert keys_in_body(b'{"writeKey":"a","x":"\xff"}') == ("a",)


def test_the_keys_that_a_beginning_names():
    """Any `writeKey` of a text that is cut off, the first sixteen, in time linear in its length."""
    assert keys_named_in(b'{"batch":[{"writeKey" : "a\\u0062","p":{"writeKey":"c"}},{"writeKey":"d') == ("ab", "c")
    assert len(keys_named_in(b"".join(b'"writeKey":"%d"' % number for number in range(100)))) == 16
    began = process_time()
    for text in (b'"writeKey":"' * 40_000, b'"writeKey"' + b" " * 500_000, b'"writeKey":"' + b"\\" * 500_000):
        keys_named_in(text)
    assert process_time() - began < 1
