"""Sending a file's calls: again while the server can't take them, and never what was refused."""

import json

import pytest

from postroad.cli.calls_file import CallBatch, CallLine, read_batches, read_call
from postroad.cli.client import Unreachable
from postroad.cli.sender import RefusedCall, open_sender
from postroad.clock import SystemClock
from postroad.config import Address, Server
from postroad.errors import PostroadError, UsageError
from postroad.testing.receiver import Receiver, answer, reset


class Hurried(SystemClock):
    """Notes how long it was to sleep, and doesn't."""

    def __init__(self):
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)


def batch(*names):
    """Return a batch of calls with these message ids, a line each."""
    calls = [CallLine(line, b'{"messageId":"%b"}' % name.encode()) for line, name in enumerate(names, 1)]
    return CallBatch(calls, 0, len(calls))


async def send(behaviours, given):
    """Send a batch to a server that behaves so, one request after the other; refusals, ids it got, sleeps."""
    clock = Hurried()
    async with Receiver() as receiver:
        server = Server(bind=Address("127.0.0.1", receiver.port))
        queue = [answer(400, b"{}"), *behaviours]

        async def behave(writer):
            await (queue.pop(0) if len(queue) > 1 else queue[0])(writer)

        receiver.behaviour = behave
        async with open_sender(server, "key", clock, strict=True) as sender:
            refused = await sender.send(given)
        got = [[item["messageId"] for item in json.loads(r.body)["batch"]] for r in receiver.requests[1:]]
    return refused, got, clock.slept


async def test_sent_again():
    """A 503 is asked again after what it says, a lost connection after a second."""
    busy = answer(503, b"{}", {"Retry-After": "7"})
    refused, got, slept = await send([busy, reset, answer(200, b"{}")], batch("a", "b"))
    assert (list(refused), got, slept) == ([], [["a", "b"]] * 3, [7.0, 1.0])


async def test_without_the_refused():
    """Calls that a batch is refused for are left out, with their reasons, and the others are sent."""
    details = [
        {"path": "batch[1].properties.email_id", "code": "required", "message": "is required"},
        {"path": "batch[1]", "code": "too_large", "message": "is too large"},
        {"path": "batch[7]", "code": "required", "message": "is not one of these"},
    ]
    body = json.dumps({"message": "bad", "meta": {"details": details}}).encode()
    refused, got, _ = await send([answer(400, body), answer(200, b"{}")], batch("a", "b", "c"))
    assert list(refused) == [RefusedCall(2, "properties.email_id: is required; is too large")]
    assert got == [["a", "b", "c"], ["a", "c"]]


async def test_all_refused():
    """A refusal that names no call is one of all, and ends there."""
    refused, got, _ = await send([answer(400, b'{"message":"too large"}')], batch("a", "b"))
    assert list(refused) == [RefusedCall(1, "too large"), RefusedCall(2, "too large")]
    assert len(got) == 1


async def test_given_up():
    """A server that goes on failing, or answers nonsense, is given up with a sentence."""
    with pytest.raises(PostroadError, match="answers 503: later"):
        await send([answer(503, b'{"message":"later"}')], batch("a"))
    with pytest.raises(PostroadError, match="answers 302"):
        await send([answer(302)], batch("a"))
    with pytest.raises(Unreachable):
        await send([reset], batch("a"))


async def test_an_unknown_key():
    """A key that the server doesn't know ends everything before anything is sent."""
    async with Receiver() as receiver:
        receiver.behaviour = answer(401, b'{"message":"the write key belongs to no source"}')
        with pytest.raises(UsageError, match="write key"):
            async with open_sender(Server(bind=Address("127.0.0.1", receiver.port)), "key", Hurried(), strict=False):
                pass


def test_lines(tmp_path):
    """Batches are bounded by calls and bytes; lines keep their numbers, and empty ones are nobody's."""
    file = tmp_path / "calls"
    lines = [b'{"messageId":"%d","x":"%s"}' % (n, b"x" * 3000) for n in range(300)]
    lines[4:4] = [b"", b"  "]
    file.write_bytes(b"\n".join(lines))
    with file.open("rb") as goods:
        batches = list(read_batches(goods, 2))
    assert all(len(one.body) <= 500 * 1024 for one in batches)
    calls = [call for one in batches for call in one.calls]
    assert [call.line for call in calls] == [3, 4, *range(7, 303)]
    assert sum(one.size for one in batches) == file.stat().st_size
    assert [one.last for one in batches][-1] == 302


def test_a_line_that_never_ends(tmp_path):
    """A line of many megabytes is one bad line, and the next one has its own number."""
    file = tmp_path / "calls"
    file.write_bytes(b"x" * (9 << 20) + b'\n{"messageId":"m"}\n')
    with file.open("rb") as goods:
        (one,) = read_batches(goods, 0)
    assert [(call.line, bool(call.why)) for call in one.calls] == [(1, True), (2, False)]


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (b'{"messageId":"m","a":1}\n', b'{"messageId":"m","a":1}'),
        (b'{"event":{"messageId":"m"},"postroad":{"offset":1}}', b'{"messageId":"m"}'),
        (b'{"messageId":7}', b'{"messageId":7}'),
    ],
)
def test_a_line_as_it_is(line, body):
    """A call is sent as it is; of an exported line its event."""
    assert read_call(1, line) == CallLine(1, body)


def test_a_line_without_an_id():
    """A call without an id gets one that is the same each time, and another on another line."""
    first, again, other = (json.loads(read_call(line, b'{"a":1}').body) for line in (1, 1, 2))
    assert first == again
    assert first["messageId"].startswith("import-")
    assert first["messageId"] != other["messageId"]
