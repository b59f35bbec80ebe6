"""What is refused is counted and told, and not at any rate."""

from structlog.testing import capture_logs

from postroad.web.token import AdminToken
from postroad.web.wire import Listening, Wire, WireTally
from postroad.web.wire.exchange import Peer
from postroad.web.wire.policy import RULES


def scraped(address, path="/metrics"):
    """Return the metrics of an address."""
    [answer] = address.ask(
        b"GET %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n\r\n" % (path.encode(), address.key)
    )
    assert answer.status == 200
    return answer.body.decode()


def refused(page, name):
    """Return how many requests were refused by a rule."""
    start = f'{name}_wire_refused_total{{reason="host"}} '
    return sum(float(line.removeprefix(start)) for line in page.splitlines() if line.startswith(start))


def test_the_metric(address, token):
    """`/metrics` of each address counts what it refused, by rule; no family is there twice."""
    operator = address._replace(key=AdminToken(token.decode).of("/metrics").text.encode())
    before = refused(scraped(operator), f"postroad_{address.name}")
    address.ask(address.call(b"Host: y"))
    page = scraped(operator)
    assert refused(page, f"postroad_{address.name}") == before + 1
    families = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")]
    assert len(set(families)) == len(families)


async def test_the_log_is_bounded():
    """However many are refused, the log has one line for each look at what was."""
    wire = Wire(None, Listening("127.0.0.1", 0, 20.0, 1.0), tally := WireTally("ingest"))
    with capture_logs() as logs:
        for number in range(10_000):
            wire.refused(RULES[number % len(RULES)], Peer(("192.0.2.1", 1), None, "http"), b"req-1")
        wire.tell()
        wire.tell()
    [line] = logs
    assert (line["count"], line["last_from"]) == (10_000, "192.0.2.1")
    assert line["since_start"] == dict(tally.refused)
