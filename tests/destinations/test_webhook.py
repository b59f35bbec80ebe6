"""What a webhook's receiver gets, and what its answers lead to."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from postroad import __version__
from postroad.clock import ManualClock, SystemClock
from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Pause, Refused, Retry, SendResult, Split, Surroundings
from postroad.destinations.dedup import event_key
from postroad.destinations.http.signed import webhook_id
from postroad.destinations.webhook import Webhook
from postroad.registry import settings_of
from postroad.testing.events import email_event, every_email_event, plain_track, unusual_events
from postroad.testing.receiver import Behaviour, Receiver, answer, endless, hang, reset

NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def make(surroundings: Surroundings, receiver: Receiver, **raw: object) -> Webhook:
    """Make a webhook that calls the receiver."""
    settings: Any = settings_of("webhook", {"url": receiver.url, **raw}, "destinations.crm")
    return Webhook(settings, surroundings)


async def deliver(surroundings: Surroundings, receiver: Receiver, **raw: object) -> SendResult:
    """Send one event."""
    webhook = make(surroundings, receiver, **raw)
    [outcome] = await webhook.send([email_event(Kind.OPENED)])
    await webhook.close()
    return outcome


@pytest.mark.parametrize("kind", Kind)
async def test_the_request_of_each_event_is_golden(
    kind: Kind, surroundings: Surroundings, receiver: Receiver, golden: Callable[[str, bytes], None]
) -> None:
    """Each email event goes out as exactly the recorded bytes."""
    webhook = make(surroundings, receiver, secret=[NEW, OLD], headers={"Authorization": "Bearer t"})
    await webhook.send([email_event(kind)])
    await webhook.close()
    head, body = receiver.requests[0]
    head = re.sub(rb"Host: [^\r]*", b"Host: crm.example.com", head).replace(__version__.encode(), b"VERSION")
    golden(f"webhook/{kind.name.lower()}.http", head + body + b"\n")


@pytest.mark.parametrize("secret", [NEW, OLD])
async def test_signatures_verify_with_old_and_new_secret(
    surroundings: Surroundings, receiver: Receiver, secret: str
) -> None:
    """While a secret is changed, receivers that know either of the two accept every event."""
    now = ManualClock(SystemClock().now())
    webhook = make(surroundings._replace(clock=now), receiver, secret=[NEW, OLD])
    events = [*every_email_event(), plain_track(), *unusual_events()]
    await webhook.send(events)
    await webhook.close()
    assert len(receiver.requests) == len(events)
    for request in receiver.requests:
        Verifier(secret).verify(request.body, dict(request.headers))
        with pytest.raises(WebhookVerificationError):
            Verifier(secret).verify(request.body + b" ", dict(request.headers))


async def test_without_secret_nothing_is_signed(surroundings: Surroundings, receiver: Receiver) -> None:
    """The id and the time go with every request, a signature only when there is a secret."""
    assert isinstance(await deliver(surroundings, receiver), Delivered)
    headers = receiver.requests[0].headers
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (
        str(event_key("us", "app", "msg-0005")),
        "1700000000",
    )
    assert "webhook-signature" not in headers


@pytest.mark.parametrize(
    ("message_id", "expected"),
    [
        ("msg-1", "msg-1"),
        ("!~", "!~"),
        ("m" * 255, "m" * 255),
        ("m" * 256, hashlib.sha256(b"m" * 256).hexdigest()),
        ("", hashlib.sha256(b"").hexdigest()),
        ("a b", hashlib.sha256(b"a b").hexdigest()),
        ("a\r\nX-Admin: 1", hashlib.sha256(b"a\r\nX-Admin: 1").hexdigest()),
        ("msg\n", hashlib.sha256(b"msg\n").hexdigest()),
        ("żółw", hashlib.sha256("żółw".encode()).hexdigest()),
    ],
)
def test_the_id_always_fits_a_header(message_id: str, expected: str) -> None:
    """A message id that a header can't carry is replaced by its digest, always the same."""
    assert webhook_id(message_id) == expected


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answer(200), Delivered()),
        (answer(204), Delivered()),
        (answer(302, b"", {"Location": "http://10.0.0.1/"}), Refused),
        (answer(400, b"bad"), Refused("answered 400 Bad Request", 400, "bad")),
        (answer(401), Pause),
        (answer(410, b"gone"), Refused("answered 410 Gone", 410, "gone")),
        (answer(413), Split),
        (answer(429, b"", {"Retry-After": "30"}), Retry("answered 429 Too Many Requests", 30.0, 429)),
        (answer(429, b"", {"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}), Retry),
        (answer(500, b"oops"), Retry("answered 500 Internal Server Error", None, 500, "oops")),
        (answer(503, b"", {"Retry-After": "-1"}), Retry("answered 503 Service Unavailable", None, 503)),
        (endless, Delivered()),
        (hang, Retry),
        (reset, Retry),
    ],
)
async def test_each_behaviour_has_its_outcome(
    surroundings: Surroundings, receiver: Receiver, behaviour: Behaviour, expected: SendResult | type
) -> None:
    """Whatever the receiver does, in bounded time there is the documented outcome."""
    receiver.behaviour = behaviour
    outcome = await deliver(surroundings._replace(timeout=0.5), receiver)
    assert type(outcome) is (expected if isinstance(expected, type) else type(expected))
    assert isinstance(expected, type) or outcome == expected
    assert len(receiver.requests) == 1


async def test_each_event_of_a_batch_has_its_own_outcome(surroundings: Surroundings, receiver: Receiver) -> None:
    """One event that is refused leaves the others of its batch alone."""

    async def refuse_the_second(writer: asyncio.StreamWriter) -> None:
        await answer(400 if len(receiver.requests) == 2 else 200)(writer)

    receiver.behaviour = refuse_the_second
    webhook = make(surroundings, receiver)
    outcomes = await webhook.send(every_email_event())
    await webhook.close()
    assert [type(outcome) for outcome in outcomes] == [Delivered, Refused] + [Delivered] * (len(Kind) - 2)


async def test_an_echoed_secret_is_not_kept(surroundings: Surroundings, receiver: Receiver) -> None:
    """A receiver that echoes our headers does not get our secrets into the attempts we show."""

    async def echo(writer: asyncio.StreamWriter) -> None:
        await answer(500, receiver.requests[-1].head)(writer)

    receiver.behaviour = echo
    raw: Mapping[str, object] = {
        "url": receiver.url.replace("://", "://ada:pass@") + "?token=query",
        "headers": {"X-Key": "hunter2"},
    }
    outcome = await deliver(surroundings, receiver, **raw)
    assert isinstance(outcome, Retry)
    assert "X-Key: ***" in outcome.answer
    assert [text for text in ("hunter2", "pass", "YWRhOnBhc3M=", "query") if text in outcome.answer] == []


async def test_a_part_of_a_secret_is_not_kept(surroundings: Surroundings, receiver: Receiver) -> None:
    """A receiver that echoes the token without its scheme, the key without its prefix, or a part of the address
    that may be a secret, shows us none of them.
    """
    echoed = f"bad token hunter2, {NEW.removeprefix('whsec_')}, Cannot POST /hooks/T0/B0secret99: urlsecret1 v=1"
    receiver.behaviour = answer(400, echoed.encode())
    raw: Mapping[str, object] = {
        "url": f"{receiver.url.rstrip('/')}/hooks/T0/B0secret99?v=1&token=urlsecret1",
        "secret": NEW,
        "headers": {"Authorization": "Bearer hunter2"},
    }
    outcome = await deliver(surroundings, receiver, **raw)
    assert isinstance(outcome, Refused)
    assert outcome.answer == "bad token ***, ***, Cannot POST /hooks/T0/***: *** v=1"


async def test_loopback_is_not_called_unless_allowed(surroundings: Surroundings, receiver: Receiver) -> None:
    """Without `allow_private` the event waits until somebody changes the configuration."""
    outcome = await deliver(surroundings._replace(allow_private=False), receiver)
    assert isinstance(outcome, Pause)
    assert "allow_private" in outcome.why
    assert receiver.requests == []
