"""A batch is taken apart for every mix of good and bad items: the good ones are what each would be alone."""

import json
from itertools import pairwise
from time import process_time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from postroad.contract.batch import decode_items
from postroad.contract.decode import Call, Unusable
from postroad.contract.envelope import Batch, first_item_in_steps, open_batch, open_in_steps
from postroad.contract.split import Unbalanced, pieces

AT = 1_705_314_605_000_000
HALF = rb"\ud83d"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
extra = st.dictionaries(st.text().map("x{}".format), values, max_size=3)
good = st.builds(
    lambda members, ascii_only: json.dumps(
        {"type": "track", "userId": "u", "event": "e", **members}, ensure_ascii=ascii_only
    ),
    extra,
    st.booleans(),
).map(lambda text: text.encode("utf-8", "replace"))
wrong = st.sampled_from([HALF, b"\xff", rb"\q", b"\n", rb"\u12", b"\xed\xa0\x80", rb"\udc00\ud83d"]).map(
    lambda text: b'"%b"' % text
) | st.sampled_from(
    [b"01", b"NaN", b"-", b"", b"nul", b"[1,]", b"1 2", b"{1:2}", b"[" * 1000 + b"]" * 1000, b"'", b"\\", b"\0"]
)
bad = st.builds(
    lambda member, name: (
        b'{"type":"track","userId":"u","event":"e",%b:%b}' % ((b'"x"', member) if name else (member, b"1"))
    ),
    wrong,
    st.booleans(),
) | st.sampled_from([b"", b"7", b"[]", b"null", b'"track"', b"{}", b'{"type":"track"]', b"undefined"])
spaces = st.sampled_from([b"", b" ", b"\r\n\t"])


def opened(body):
    """Return a batch and its outcomes."""
    batch = open_batch(body)
    assert isinstance(batch, Batch), batch
    return batch, list(decode_items(batch, 0, len(batch.items), AT, lambda: "id"))


@given(st.lists(st.tuples(st.booleans(), good, bad), min_size=1, max_size=6), spaces)
def test_good_items_are_what_each_would_be_alone(mixed, space):
    """Whatever is wrong with others: a good item is stored with the same bytes, a bad one has reasons and its bytes."""
    items = [fine if is_good else broken for is_good, fine, broken in mixed]
    body = b'{"batch":[%b]}' % b",".join(space + item + space for item in items)
    if items == [b""]:
        assert isinstance(open_batch(body), Unusable)
        return
    _, outcomes = opened(body)
    assert len(outcomes) == len(items)
    for (is_good, _, _), item, outcome in zip(mixed, items, outcomes, strict=True):
        if is_good:
            _, [alone] = opened(b'{"batch":[%b]}' % item)
            assert isinstance(outcome.found, Call)
            assert outcome == alone
        else:
            assert isinstance(outcome.found, Unusable)
            assert outcome.body == item


@given(st.lists(values, min_size=1), st.sampled_from([None, 2]), st.booleans())
def test_the_splitter_and_the_decoder_agree(items, indent, ascii_only):
    """Of every valid list both make the same pieces, byte for byte."""
    text = json.dumps(items, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    found = [piece for piece in pieces(text, b"[]") if piece is not None]
    assert found == [bytes(raw) for raw in msgspec.json.decode(text, type=list[Raw])]


def slowly(text):
    """Take a list apart byte by byte, as the docstring of `pieces` says it."""
    text = text.strip(b" \t\r\n")
    found, begin, depth, quoted, escaped = [], 1, 0, False, False
    for at, value in enumerate(text):
        byte = bytes([value])
        after_escape, escaped = escaped, byte == b"\\" and not escaped
        if byte == b'"':
            quoted ^= not after_escape
        elif not quoted and byte in b"[{":
            depth += 1
        elif not quoted and (byte in b"]}" or (byte == b"," and depth == 1)):
            depth -= byte != b","
            if depth == 0 or byte == b",":
                found.append(text[begin:at].strip(b" \t\r\n"))
                begin = at + 1
            if depth == 0:
                return found if byte == b"]" and begin == len(text) else None
    return None


@given(
    st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b",", b'"', b"\\", b"\\\\", b"a", b" "]), max_size=40),
    st.sampled_from([0, 65_530, 131_060]),
    st.sampled_from([b"x", b"\\", b'"', b"[]"]),
)
@settings(deadline=None)
def test_the_splitter_is_what_a_loop_over_the_bytes_is(parts, fill, filler):
    """Any bytes, across the borders of its stretches too, give the same pieces, or none."""
    text = b"[" + filler * (fill // len(filler)) + b"".join(parts) + b"]"
    try:
        found = [piece for piece in pieces(text, b"[]") if piece is not None]
    except Unbalanced:
        found = None
    assert found == slowly(text)


HOSTILE = {
    "brackets": b"[]",
    "open brackets": b"[",
    "depth": b"[" * 500 + b"]" * 500,
    "commas": b",",
    "quotes": b'"',
    "escaped quotes": b'\\"',
    "backslashes": b"\\",
    "strings": b'"",',
    "members": b'"x":NaN,',
    "good items": b'{"type":"track","userId":"u","event":"e"},',
}
AROUND = {
    "in the list": b'{"batch":["\\ud83d",%b1]}',
    "in an item": b'{"batch":["\\ud83d",{"x":[%b1]}]}',
    "in a text": b'{"batch":["\\ud83d","%b"]}',
    "beside it": b'{"batch":["\\ud83d"],%b"x":1}',
    "in what is shared": b'{"batch":["\\ud83d",{}],"context":{%b"x":NaN}}',
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_time_is_linear(piece, around):
    """Eight times the bytes take at most about eight times as long: nothing is a trap."""

    def took(size):
        body = around % (piece * (size // len(piece)))
        rounds = []
        for _ in range(3):
            began = process_time()
            open_batch(body)
            rounds.append(process_time() - began)
        return min(rounds)

    assert took(1 << 19) < 24 * took(1 << 16) + 0.01


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_what_is_taken_apart_is_taken_apart_in_slices(piece, around):
    """A large body that the decoder refuses is opened in steps of at most 64 KiB, between which others have a turn."""
    body = around % (piece * ((1 << 20) // len(piece)))
    seen, steps = 0, open_in_steps(body)
    try:
        while True:
            next(steps)
            seen += 1
    except StopIteration as end:
        if isinstance(end.value, Batch):
            assert seen >= len(body) >> 16
        else:
            assert seen >= 1


@pytest.mark.parametrize("item", [b"0", b"{}", b'{"a":1}', b"[" * 40 + b"]" * 40])
def test_others_get_their_turn_in_the_largest_body(item):
    """In 4 MiB of whatever items, what is done between two pauses is a small part of the whole."""
    body = b'{"batch":[%b]}' % b",".join([item] * ((4 << 20) // (len(item) + 1)))
    for steps in (open_in_steps(body), first_item_in_steps(body)):
        assert sum(1 for _ in steps) > 50


def test_many_small_pieces_are_given_out_in_parts():
    """A stretch of a text may have 32,000 pieces: after a thousand others may have their turn."""
    found = list(pieces(b"[" + b"0," * 100_000 + b"0]", b"[]"))
    pauses = [index for index, piece in enumerate(found) if piece is None]
    assert max(after - before for before, after in pairwise([0, *pauses, len(found)])) <= 1_001
