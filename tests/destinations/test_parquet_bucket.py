"""The parquet destination and what storage may answer, rightly or wrongly: bounded, in few words, without secrets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import postgres_server
import pytest
import s3_server

from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Pause, Retry, SendResult, Split, Surroundings
from postroad.destinations.http.answer import ServiceAnswer
from postroad.destinations.http.client import MAX_EXCERPT
from postroad.destinations.parquet import Parquet
from postroad.destinations.parquet.answer import outcome_of_put
from postroad.registry import settings_of
from postroad.testing.events import email_event
from postroad.testing.receiver import Receiver, answer

KEYS = {"s3_access_key_id": "the-key", "s3_secret_access_key": "hunter2"}
STORED = {"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}
LONGEST_NAME = "s3://" + "b" * 63
MOST = 32 * 1024 * 1024
"""More bytes than the buffers of two sockets hold."""


def error(code: str, message: str = "", more: str = "") -> str:
    """Return the words of a storage that says no."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{head}<Error><Code>{code}</Code><Message>{message}</Message>{more}<RequestId>1</RequestId></Error>"


def judged(status: int, said: str = "", headers: Mapping[str, str] | None = None, name: str = "s3://b") -> SendResult:
    """Return what an answer means."""
    return outcome_of_put(name, ServiceAnswer(status, headers or {}, b"", said), 0)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "Unauthorized", Pause),
        (403, "AccessDenied", Pause),
        (403, "InvalidAccessKeyId", Pause),
        (404, "NoSuchBucket", Pause),
        (400, "InvalidArgument", Pause),
        (405, "MethodNotAllowed", Pause),
        (501, "NotImplemented", Pause),
        (301, "PermanentRedirect", Pause),
        (413, "EntityTooLarge", Split),
        (400, "RequestTimeout", Retry),
        (400, "SlowDown", Retry),
        (409, "OperationAborted", Retry),
        (429, "TooManyRequests", Retry),
        (500, "InternalError", Retry),
        (503, "SlowDown", Retry),
    ],
)
def test_each_answer_has_its_outcome(status: int, code: str, kind: type) -> None:
    """What only somebody can mend pauses, the storage's own troubles are retries, and no event is ever refused."""
    outcome = judged(status, error(code, "Words."))
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Delivered)
    assert f"{status} {code}: Words." in outcome.why
    assert (outcome.status, outcome.answer) == (status, error(code, "Words."))


@pytest.mark.parametrize(
    ("status", "headers", "said", "why"),
    [
        (
            403,
            {},
            error("AccessDenied", "No"),
            "s3://b does not let us write (403 AccessDenied: No): check the access key",
        ),
        (404, {}, error("NoSuchBucket"), "s3://b is not there (404 NoSuchBucket): create it, or correct url or s3_end"),
        (301, {}, error("PermanentRedirect"), "s3://b is in another region (301 PermanentRedirect): set s3_region"),
        (
            307,
            {"x-amz-bucket-region": "eu-west-1"},
            "",
            's3://b is in another region (307): set s3_region = "eu-west-1"',
        ),
        (
            400,
            {},
            error("X", more="<Region>eu-1</Region>"),
            's3://b is in another region (400 X): set s3_region = "eu-1"',
        ),
        (
            400,
            {},
            error("InvalidArgument"),
            "s3://b refuses files (400 InvalidArgument): check url, s3_region and s3_end",
        ),
        (502, {}, "<html>Bad Gateway</html>", "s3://b answered 502"),
    ],
)
def test_the_reason_names_the_bucket_and_the_remedy(
    status: int, headers: Mapping[str, str], said: str, why: str
) -> None:
    """Who reads the status learns which bucket it is, what the storage said, and what to do."""
    outcome = judged(status, said, headers)
    assert isinstance(outcome, Pause | Retry)
    assert outcome.why.startswith(why)


@pytest.mark.parametrize("status", [200, 301, 400, 403, 404, 405, 503])
def test_the_reason_is_short(status: int) -> None:
    """However long the bucket's name and the storage's words are, a reason fits into the status."""
    said = error("C" * 500, "m" * 500, "<Region>" + "r" * 20 + "</Region>")
    outcome = judged(status, said, {"x-amz-bucket-region": "r" * 20}, LONGEST_NAME)
    assert isinstance(outcome, Pause | Retry)
    assert len(outcome.why) < 200


@pytest.mark.parametrize("region", ["", "a b", "x" * 21, '"'])
def test_a_region_that_is_none_is_not_repeated(region: str) -> None:
    """Only what can be a region's name is told as one."""
    outcome = judged(301, "", {"x-amz-bucket-region": region})
    assert isinstance(outcome, Pause)
    assert outcome.why.endswith("set s3_region")


def test_a_success_without_an_etag_is_none() -> None:
    """A server that says yes to everything is no storage: nothing counts as delivered there."""
    assert judged(200, "", STORED) == Delivered()
    assert judged(200, "hello") == Pause(
        "s3://b answered 200 without an ETag: is s3_endpoint really storage?", 200, "hello"
    )


@pytest.mark.parametrize(("value", "after"), [("7", 7.0), ("-1", None), ("99999999", 3600.0), ("x", None)])
@pytest.mark.parametrize("status", [400, 409, 503])
def test_retry_after_is_honoured_within_bounds(status: int, value: str, after: float | None) -> None:
    """The wait that a storage asks for is kept for an hour at most, and nonsense asks for none."""
    outcome = judged(status, error("SlowDown"), {"Retry-After": value})
    assert isinstance(outcome, Retry)
    assert outcome.after == after


class Endless:
    """Behaviour: answers with a body that never ends, and counts."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} -", "Transfer-Encoding: chunked", *(f"{k}: {v}" for k, v in headers.items())]
        self.head = "\r\n".join([*lines, "", ""]).encode()
        self.sent = 0
        self.ended = asyncio.Event()

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        """ServiceAnswer until the other side has gone away."""
        writer.write(self.head)
        try:
            while True:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                self.sent += 0x10000
                await writer.drain()
        finally:
            self.ended.set()


@pytest.fixture
async def make(surroundings: Surroundings) -> AsyncIterator[Callable[..., Parquet]]:
    """Make destinations that are closed after the test; they may not call private addresses elsewhere."""
    postgres_server.require("pyarrow", "obstore")
    made: list[Parquet] = []

    def make(timeout: float = 5.0, **raw: object) -> Parquet:
        raw = {"url": "s3://b/lake", "s3_region": "eu-west-1", **raw}
        given = surroundings._replace(timeout=timeout, allow_private=False)
        made.append(Parquet(settings_of("parquet", raw, "destinations.d"), given))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def destination(make: Callable[..., Parquet], receiver: Receiver) -> Parquet:
    """A destination whose storage is the receiver."""
    return make(s3_endpoint=f"http://127.0.0.1:{receiver.port}", **KEYS)


async def sent(destination: Parquet) -> Any:
    """Send one event."""
    (outcome,) = await destination.send([email_event(Kind.OPENED)])
    return outcome


@pytest.mark.full
@pytest.mark.parametrize(("status", "kind"), [(403, Pause), (404, Pause), (301, Pause), (503, Retry), (200, Delivered)])
async def test_an_endless_answer_is_cut(destination: Parquet, receiver: Receiver, status: int, kind: type) -> None:
    """Of an answer without end little is read, then the connection is closed, and its status counts."""
    receiver.behaviour = endless = Endless(status, STORED)
    async with asyncio.timeout(4):
        assert isinstance(await sent(destination), kind)
        await endless.ended.wait()
    assert endless.sent < MOST
    assert len(receiver.requests) == 1


@pytest.mark.full
async def test_storage_that_hangs_is_a_retry(make: Callable[..., Parquet], receiver: Receiver) -> None:
    """No answer within the time is a retry, and the connection is closed."""
    closed = asyncio.Event()

    async def hang(_: asyncio.StreamWriter) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.set()

    receiver.behaviour = hang
    outcome = await sent(make(0.2, s3_endpoint=f"http://127.0.0.1:{receiver.port}", **KEYS))
    assert outcome == Retry(f"127.0.0.1:{receiver.port} did not answer within 0.2 s")
    await receiver.stop()
    await closed.wait()


@pytest.mark.full
async def test_the_request_is_signed_and_small(destination: Parquet, receiver: Receiver) -> None:
    """The file goes out in one PUT: its name encoded as the signature covers it, nothing unsigned beside it."""
    receiver.behaviour = answer(200, b"", STORED)
    assert await sent(destination) == Delivered()
    (request,) = receiver.requests
    method, target, _ = request.head.decode().partition("\r\n")[0].split(" ")
    path, _, query = target.partition("?")
    assert (method, path.rpartition("/")[0]) == ("PUT", "/b/lake/region%3Dus/event%3Demail_opened/day%3D2024-01-15")
    assert "X-Amz-Credential=the-key%2F" in query
    assert "%2Feu-west-1%2Fs3%2Faws4_request" in query
    assert query.count("X-Amz-SignedHeaders=host&X-Amz-Signature=") == 1
    assert sorted(request.headers) == ["accept", "accept-encoding", "content-length", "host", "user-agent"]
    assert request.body.startswith(b"PAR1")
    assert request.body.endswith(b"PAR1")


@pytest.mark.full
async def test_a_redirect_is_not_followed(destination: Parquet, receiver: Receiver) -> None:
    """The file is not carried elsewhere: the destination pauses with the region to set."""
    headers = {"Location": f"{receiver.url}/elsewhere", "x-amz-bucket-region": "us-east-2"}
    receiver.behaviour = answer(301, error("PermanentRedirect", "It&apos;s elsewhere.").encode(), headers)
    outcome = await sent(destination)
    assert isinstance(outcome, Pause)
    assert outcome.why == (
        's3://b is in another region (301 PermanentRedirect: It\'s elsewhere.): set s3_region = "us-east-2"'
    )
    targets = [request.head.split()[1] for request in receiver.requests]  # others may call a port that was theirs
    assert sum(target.startswith(b"/b/") for target in targets) == 1
    assert b"/elsewhere" not in targets


@pytest.mark.full
async def test_a_wait_that_was_asked_for_is_handed_on(destination: Parquet, receiver: Receiver) -> None:
    """A storage under load says when to come back."""
    receiver.behaviour = answer(
        503, error("SlowDown", "Please reduce your request rate.").encode(), {"Retry-After": "9"}
    )
    outcome = await sent(destination)
    assert isinstance(outcome, Retry)
    assert (outcome.why, outcome.after) == ("s3://b answered 503 SlowDown: Please reduce your request rate.", 9.0)


@pytest.mark.full
@pytest.mark.parametrize("escaped", [False, True])
async def test_no_secret_shows(
    make: Callable[..., Parquet], receiver: Receiver, monkeypatch: pytest.MonkeyPatch, *, escaped: bool
) -> None:
    """A storage that repeats keys or the signed address tells nobody, nor do the environment's keys show."""
    environment = {"ACCESS_KEY_ID": "env-key", "SECRET_ACCESS_KEY": "env-secret", "SESSION_TOKEN": "env+tok/en=="}
    for name, value in environment.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for raw, key in ((KEYS, "the-key"), ({}, "env-key")):

        async def echo(writer: asyncio.StreamWriter) -> None:
            target = receiver.requests[-1].head.decode().split(" ")[1]
            query = dict(part.split("=") for part in target.partition("?")[2].split("&"))
            parts = [query["X-Amz-Signature"], "the-key hunter2 env-key", *environment.values()]
            said = error("Denied", f"{' '.join(parts)} {target}".replace("&", "&amp;" if escaped else "&"))
            await answer(403, said.encode())(writer)

        receiver.behaviour = echo
        outcome = await sent(make(s3_endpoint=f"http://127.0.0.1:{receiver.port}", **raw))
        signature = receiver.requests[-1].head.decode().partition("X-Amz-Signature=")[2][:64]
        hidden = [key, "hunter2"] if raw else [key, "env+tok/en==", "env%2Btok%2Fen%3D%3D"]
        assert "X-Amz-Signature=***" in outcome.answer
        assert [text for text in [*hidden, signature] if text in f"{outcome.why} {outcome.answer}"] == []


@pytest.mark.full
async def test_words_that_control_a_terminal_are_made_harmless(destination: Parquet, receiver: Receiver) -> None:
    """What is shown of an answer is short and can be printed."""
    receiver.behaviour = answer(403, error("\x1b[2J\r\n", "\u202e" + "long" * 1000).encode())
    outcome = await sent(destination)
    assert outcome.why.isprintable()
    assert outcome.answer.isprintable()
    assert len(outcome.answer) == MAX_EXCERPT


@pytest.mark.full
async def test_a_missing_access_key_pauses(
    make: Callable[..., Parquet], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither the settings nor the machine have a key, nothing is sent and the reason says what to do."""
    receiver.behaviour = answer(404)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{receiver.port}")
    outcome = await sent(make(s3_endpoint="http://127.0.0.1:9"))
    assert isinstance(outcome, Pause)
    assert outcome.why.startswith("nothing can be signed for s3://b (")
    assert outcome.why.endswith("): check s3_access_key_id, or the machine's key")
    assert len(outcome.why) < 200
    assert [request.head.split(b" ")[0] for request in receiver.requests] != []


@pytest.mark.full
async def test_storage_that_is_not_there_is_a_retry(make: Callable[..., Parquet]) -> None:
    """Nobody listening is a retry."""
    outcome = await sent(make(s3_endpoint="http://127.0.0.1:9", **KEYS))
    assert outcome == Retry("127.0.0.1:9 could not be connected to: Connection refused")


@pytest.mark.full
async def test_a_missing_bucket_pauses(make: Callable[..., Parquet]) -> None:
    """A bucket that isn't there is a pause, with the words of real storage."""
    with s3_server.running() as storage:
        outcome = await sent(make(**{"url": "s3://nowhere", **storage.settings}))
    assert isinstance(outcome, Pause)
    assert outcome.why == (
        "s3://nowhere is not there (404 NoSuchBucket: The specified bucket does not exist): "
        "create it, or correct url or s3_endpoint"
    )
