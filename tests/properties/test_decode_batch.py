"""A batch holds for every body there can be: an outcome for each item, never an exception, in linear time."""

import json
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.contract.batch import decode_items
from postroad.contract.calls import Type
from postroad.contract.credentials import keys_in_body
from postroad.contract.decode import Call, Unusable, decode
from postroad.contract.envelope import Batch, open_batch
from postroad.contract.limits import EVENT_BYTES

AT = 1_705_314_605_000_000

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from(["a", "b", "traits", "All"]) | st.text(), values, max_size=3)
items = values | st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "identify", "page", "Track", ""])},
    optional={
        "userId": values,
        "event": st.text() | st.just("Email Opened"),
        "context": objects | values,
        "integrations": objects | values,
        "messageId": st.text(),
        "sentAt": values,
    },
)
batches = st.fixed_dictionaries(
    {"batch": st.lists(items, max_size=4) | values},
    optional={
        "context": objects | values,
        "integrations": objects | values,
        "sentAt": values,
        "writeKey": values,
    },
).map(lambda batch: json.dumps(batch).encode())


@st.composite
def broken(draw):
    """A batch with one piece of it cut out or replaced by other bytes."""
    body = draw(batches)
    start = draw(st.integers(0, len(body)))
    return body[:start] + draw(st.binary(max_size=3)) + body[start + draw(st.integers(0, 9)) :]


@given(st.binary() | batches | broken())
def test_any_bytes_give_an_outcome_for_each_item(body):
    """Whatever comes, it is a batch with an outcome for every item, or unusable with reasons; keys are found or not."""
    assert all(isinstance(key, str) for key in keys_in_body(body))
    batch = open_batch(body)
    if isinstance(batch, Unusable):
        assert batch.reasons
        return
    outcomes = [item.found for item in decode_items(batch, 0, len(batch.items), AT, lambda: "id")]
    assert len(outcomes) == len(batch.items)
    for outcome in outcomes:
        assert outcome.reasons if isinstance(outcome, Unusable) else json.loads(outcome.body)


@given(objects, objects)
def test_merging_is_shallow_and_the_item_wins(shared, own):
    """What an item is stored with is what two dictionaries make of it."""
    call = {"type": "track", "userId": "u", "event": "e", "context": own}
    batch = open_batch(json.dumps({"batch": [call], "context": shared}).encode())
    assert isinstance(batch, Batch)
    [item] = decode_items(batch, 0, 1, AT, lambda: "id")
    assert isinstance(item.found, Call)
    assert json.loads(item.found.body)["context"] == {**shared, **own}


def deep(size):
    """Return brackets only."""
    return b'{"userId":"u","event":"e","x":' + b"[" * (size // 2) + b"]" * (size // 2) + b"}"


def quotes(size):
    """Return an open string full of escapes."""
    return b'{"userId":"' + b'\\"' * (size // 2)


def members(size):
    """Return as many members as fit."""
    return b"{" + b",".join(b'"%d":1' % number for number in range(size // 8)) + b"}"


def shared(size):
    """Return a batch whose context is half of it, over as many items as fit the other half."""
    context = b'{"a":"%b"}' % (b"x" * (size // 2))
    return b'{"context":%b,"batch":[%b]}' % (context, b",".join([b"{}"] * min(size // 6, 9_999)))


@pytest.mark.parametrize("make", [deep, quotes, members, shared])
def test_time_is_linear_in_the_bytes(make):
    """Eight times the bytes take at most about eight times as long: no input is a trap."""
    small, large = 8_000, 64_000
    assert large > EVENT_BYTES

    def took(body):
        rounds = []
        for _ in range(5):
            began = process_time()
            for _ in range(10):
                batch = open_batch(body)
                if isinstance(batch, Batch):
                    list(decode_items(batch, 0, len(batch.items), AT, str))
                decode(body[: EVENT_BYTES - 1], Type.TRACK, AT, str)
            rounds.append(process_time() - began)
        return min(rounds)

    assert took(make(large)) < 40 * took(make(small))
