"""What the receiver of batches gets, and what its answers lead to."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from postroad import __version__
from postroad.clock import ManualClock, SystemClock
from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Pause, Refused, Retry, SendResult, Split, Surroundings
from postroad.destinations.webhook_batch import WebhookBatch, batch_id
from postroad.registry import settings_of
from postroad.testing.events import email_event, every_email_event, unusual_events
from postroad.testing.receiver import Behaviour, Receiver, answer, hang, reset

NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def make(surroundings: Surroundings, receiver: Receiver, **raw: object) -> WebhookBatch:
    """Make a webhook that calls the receiver."""
    settings: Any = settings_of("webhook_batch", {"url": receiver.url, **raw}, "destinations.crm")
    return WebhookBatch(settings, surroundings)


async def test_the_request_of_a_batch_is_golden(
    surroundings: Surroundings, receiver: Receiver, golden: Callable[[str, bytes], None]
) -> None:
    """The email events together go out as exactly the recorded bytes: each as it is alone, in order."""
    webhook = make(surroundings, receiver, secret=NEW)
    assert await webhook.send(every_email_event()) == [Delivered()] * len(Kind)
    await webhook.close()
    [(head, body)] = receiver.requests
    head = re.sub(rb"Host: [^\r]*", b"Host: crm.example.com", head).replace(__version__.encode(), b"VERSION")
    golden("webhook_batch/batch.http", head + body + b"\n")
    assert body == b'{"batch":[%b]}' % b",".join(event.body for event in every_email_event())


async def test_a_batch_is_signed_as_a_whole(surroundings: Surroundings, receiver: Receiver) -> None:
    """Signatures of batches verify like those of events, whatever is in the members."""
    now = ManualClock(SystemClock().now())
    webhook = make(surroundings._replace(clock=now), receiver, secret=[NEW, OLD])
    await webhook.send(unusual_events())
    await webhook.close()
    for secret in (NEW, OLD):
        Verifier(secret).verify(receiver.requests[0].body, dict(receiver.requests[0].headers))


def test_the_id_of_a_batch_is_that_of_its_members() -> None:
    """The same members in the same order have the same id, any others another one."""
    a, b = email_event(Kind.OPENED), email_event(Kind.BOUNCED)
    assert batch_id([a, b]) == hashlib.sha256(f"{a.dedup_key}\n{b.dedup_key}\n".encode()).hexdigest()
    odd = a._replace(dedup_key="msg-0005\nmsg-0001")
    assert len({batch_id(members) for members in ([a], [b], [a, b], [b, a], [a, a], [odd])}) == 6


@pytest.mark.parametrize(
    ("behaviour", "alone", "together"),
    [
        (answer(204), Delivered, Delivered),
        (answer(302, b"", {"Location": "http://10.0.0.1/"}), Refused, Split),
        (answer(400), Refused, Split),
        (answer(401), Pause, Pause),
        (answer(404), Refused, Split),
        (answer(409), Refused, Split),
        (answer(410), Refused, Split),
        (answer(413), Split, Split),
        (answer(422), Refused, Split),
        (answer(429, b"", {"Retry-After": "30"}), Retry, Retry),
        (answer(500), Retry, Retry),
        (hang, Retry, Retry),
        (reset, Retry, Retry),
    ],
)
async def test_a_batch_shares_its_outcome(
    surroundings: Surroundings,
    receiver: Receiver,
    behaviour: Behaviour,
    alone: type[SendResult],
    together: type[SendResult],
) -> None:
    """One answer counts for all members; one that is refused is split, to find the member at fault: where all are
    refused, no more than a few single ones have to be for it to show.
    """
    receiver.behaviour = behaviour
    webhook = make(surroundings._replace(timeout=0.3), receiver)
    assert [type(one) for one in await webhook.send([email_event(Kind.OPENED)])] == [alone]
    assert [type(one) for one in await webhook.send(every_email_event())] == [together] * len(Kind)
    await webhook.close()
    assert len(receiver.requests) == 2
