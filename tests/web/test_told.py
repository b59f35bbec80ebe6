"""What the log says of calls that are refused, or that are probably not meant so: at once, then seldom."""

from structlog.testing import capture_logs
from test_batch import batch, event
from wire import GOOD

from postroad.ingest.sampled import EVERY


def lines(logs, words):
    """Return the lines that say this."""
    return [line for line in logs if words in line["event"]]


async def test_a_wrong_key_is_told_with_its_caller(server, clock):
    """A client that hears 200 and has a wrong key is told in the log, by the key's fingerprint, its address and the id
    of the request; then not again for a while, and how often it was.
    """
    with capture_logs() as logs:
        first = await server.post(GOOD, key="wrong-write-key")
        for _ in range(5):
            await server.post(GOOD, key="wrong-write-key")
        clock.advance(EVERY)
        await server.post(GOOD, key="wrong-write-key")
    told = lines(logs, "write key is of no source")
    assert [line["count"] for line in told] == [1, 6]
    assert (told[0]["peer"], told[0]["path"], len(told[0]["key_fingerprint"])) == ("127.0.0.1", "/v1/track", 8)
    assert told[0]["request_id"] == first.headers["x-request-id"]
    assert "wrong-write-key" not in str(logs)


async def test_thousands_of_conflicts_are_one_line(server):
    """A batch of events whose ids others have is one line in the log, and a short one, however long the ids are."""
    ids = [f"{number}-" + "x" * 4_000 for number in range(1_000)]
    for name in ("one", "other"):
        body = batch(*(event(messageId=one, event=name) for one in ids))
        with capture_logs() as logs:
            assert (await server.post(body, path="/v1/batch")).status == 200
    told = lines(logs, "known message id")
    assert [line["count"] for line in told] == [1]
    assert len(told[0]["message_id"]) <= 100


async def test_a_near_miss_is_told(server):
    """An event that is nearly an email event is stored, noted, and told in the log; strict mode takes it."""
    with capture_logs() as logs:
        reply = await server.post(GOOD.replace(b"Email Opened", b"Email Opend"), strict=True)
    assert (reply.status, reply.headers["x-postroad-violations"]) == (200, "1")
    [told] = lines(logs, "nearly the name")
    assert (told["event_name"], "`Email Opened`" in told["why"]) == ("Email Opend", True)
    assert told["request_id"] == reply.headers["x-request-id"]
