"""The size of error answers: a few bytes from a client must not make many of ours."""

import gzip
import json
import re

import pytest

from postroad.contract.refusals import Error
from postroad.contract.violations import Code, Problem
from postroad.web.answers import refuse

GOOD = b'{"type":"track","userId":"u","event":"e"}'


def named(message):
    """Return the places that a message names as ranges."""
    ranges = re.search(r": ([0-9, -]+);", message)[1].split(", ")
    ends = [(int(first), int(last or first)) for first, _, last in (one.partition("-") for one in ranges)]
    return [place for first, last in ends for place in range(first, last + 1)]


def test_no_answer_tells_more_than_a_hundred_problems():
    """Whoever refuses with however many problems, the first hundred stand in the answer, twice each."""
    problems = [Problem(f"batch[{number}]", Code.NOT_AN_OBJECT, "must be a call") for number in range(5_000)]
    meta = json.loads(refuse(Error.INVALID, "too bad", problems).body)["meta"]
    assert meta["errors"] == [problem.sentence for problem in problems[:100]]
    assert [detail["path"] for detail in meta["details"]] == [problem.path for problem in problems[:100]]


@pytest.mark.parametrize("item", [b"0", b'{"type":"track"}', b'{"type":"identify","userId":1,"traits":7,"context":7}'])
async def test_a_few_bytes_of_gzip_make_a_small_answer(server, item):
    """Ten thousand bad items: the first hundred problems in full, all places as one range, a few kilobytes."""
    body = gzip.compress(b'{"batch":[' + b",".join([item] * (9_000)) + b"]}")
    reply = await server.post(body, "Content-Encoding: gzip", path="/v1/batch", strict=True)
    assert (reply.status, len(reply.details), len(reply.errors)) == (400, 100, 100)
    assert named(reply.message) == list(range(9_000))
    assert len(reply.body) < 32_000


async def test_every_bad_item_is_named_however_they_lie(server):
    """Good and bad in turn: each bad one is named, and the answer is smaller than the batch by far."""
    body = b'{"batch":[' + b",".join([GOOD, b"0"] * 5_000) + b"]}"
    reply = await server.post(body, path="/v1/batch", strict=True)
    assert (reply.status, len(reply.details)) == (400, 100)
    assert named(reply.message) == list(range(1, 10_000, 2))
    assert len(reply.body) < len(body) / 4
