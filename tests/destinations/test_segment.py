"""What Segment gets, and what its answers lead to."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from services import SegmentService, settle

from postroad import __version__
from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Event, Pause, Refused, Retry, SendResult, Split, Surroundings
from postroad.destinations.http.client import basic_auth
from postroad.destinations.segment import HOSTS, Segment, message_id
from postroad.registry import settings_of
from postroad.testing.events import call, email_event, every_email_event
from postroad.testing.receiver import Behaviour, Receiver, answer, endless, hang, reset

KEY = "segment-write-key"


def make(surroundings: Surroundings, **raw: object) -> Segment:
    """Make one that calls the given url."""
    settings: Any = settings_of("segment", {"write_key": KEY, **raw}, "destinations.seg")
    return Segment(settings, surroundings)


@pytest.fixture
def service(receiver: Receiver) -> SegmentService:
    """The service with its key."""
    return SegmentService(receiver, basic_auth(KEY))


def track(message: str, **members: object) -> Event:
    """Return a track call."""
    return call("track", {"event": "Order Placed", **members}, message_id=message, offset=1)


@pytest.mark.parametrize("kind", Kind)
async def test_the_request_of_each_event_is_golden(
    kind: Kind, surroundings: Surroundings, service: SegmentService, golden: Callable[[str, bytes], None]
) -> None:
    """Each email event goes out as exactly the recorded bytes, and Segment keeps it."""
    destination = make(surroundings, url=service.url)
    assert await destination.send([email_event(kind)]) == [Delivered()]
    await destination.close()
    head, body = service.receiver.requests[0]
    head = re.sub(rb"Host: [^\r]*", b"Host: api.segment.io", head).replace(__version__.encode(), b"VERSION")
    golden(f"segment/{kind.name.lower()}.http", head + body + b"\n")
    assert len(service.taken) == 1


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("Email Unsubscribed", Kind.UNSUBSCRIBED, "Unsubscribed"),
        ("Unsubscribed", Kind.UNSUBSCRIBED, "Unsubscribed"),
        ("Unsubscribe", Kind.UNSUBSCRIBED, "Unsubscribe"),
        ("Email Clicked", Kind.LINK_CLICKED, "Email Clicked"),
        ("Email Unsubscribed", None, "Email Unsubscribed"),
    ],
)
async def test_an_unsubscription_has_segments_own_name(
    surroundings: Surroundings, service: SegmentService, name: str, kind: Kind | None, expected: str
) -> None:
    """Segment's spec says Unsubscribed, so that is what it gets; other tools' names stay as they came."""
    destination = make(surroundings, url=service.url)
    await destination.send([call("track", {"event": name}, message_id="m", offset=1, kind=kind)])
    await destination.close()
    assert service.taken[0]["event"] == expected


@pytest.mark.parametrize(
    ("members", "taken"),
    [
        ({}, True),
        ({"userId": None, "anonymousId": "a"}, True),
        ({"userId": None}, False),
        ({"userId": ""}, False),
        ({"userId": None, "groupId": "g"}, False),
        ({"userId": None, "traits": {"email": "ada@example.com"}}, False),
    ],
)
async def test_what_segment_drops_in_silence_is_not_taken(
    surroundings: Surroundings, service: SegmentService, members: dict[str, object], *, taken: bool
) -> None:
    """A call that names no user is filtered, where Segment would say 200 and keep nothing."""
    destination = make(surroundings, url=service.url)
    event = track("m", **members)
    assert destination.takes(event) is taken
    await destination.send([event])
    await destination.close()
    assert len(service.taken) == taken


@pytest.mark.parametrize("own", ["m" * 100, "m" * 101, "🐢" * 101])
async def test_a_message_id_always_fits(surroundings: Surroundings, service: SegmentService, own: str) -> None:
    """Segment recognises duplicates by ids of at most 100 characters: longer ones are digests."""
    destination = make(surroundings, url=service.url)
    await destination.send([track(own)._replace(dedup_key=own)])
    await destination.close()
    assert [taken["messageId"] for taken in service.taken] == [message_id(own)]
    assert (message_id(own) == own) == (len(own) <= 100)


@pytest.mark.parametrize(
    ("behaviour", "alone", "together"),
    [
        (answer(200, b'{"success":true}'), Delivered, Delivered),
        (answer(200, b'{"success":false}'), Refused, Split),
        (answer(301, b"", {"Location": "http://10.0.0.1/"}), Pause, Pause),
        (answer(400, b"too large"), Refused, Split),
        (answer(401), Pause, Pause),
        (answer(405), Pause, Pause),
        (answer(413), Split, Split),
        (answer(429, b"", {"Retry-After": "1", "X-RateLimit-Reset": "1"}), Retry, Retry),
        (answer(503), Retry, Retry),
        (endless, Delivered, Delivered),
        (hang, Retry, Retry),
        (reset, Retry, Retry),
    ],
)
async def test_each_behaviour_has_its_outcome(
    surroundings: Surroundings,
    receiver: Receiver,
    behaviour: Behaviour,
    alone: type[SendResult],
    together: type[SendResult],
) -> None:
    """Whatever the service does, in bounded time there is the documented outcome for one event and for several."""
    receiver.behaviour = behaviour
    destination = make(surroundings._replace(timeout=0.3), url=receiver.url)
    assert [type(one) for one in await destination.send([email_event(Kind.OPENED)])] == [alone]
    assert [type(one) for one in await destination.send(every_email_event())] == [together] * len(Kind)
    await destination.close()


async def test_requests_keep_to_the_limits(surroundings: Surroundings, service: SegmentService) -> None:
    """No request has more than 500 KB or 2,000 calls, no call more than 32 KiB: Segment keeps all that is sent."""
    destination = make(surroundings, url=service.url)
    events = [track(f"small-{number}") for number in range(4_100)]
    events += [
        track(f"large-{number}", properties={"note": "x" * size}) for number, size in enumerate([32_000, 33_000])
    ]
    outcomes = await settle(destination, events)
    await destination.close()
    assert [type(outcome) for outcome in outcomes] == [Delivered] * 4_101 + [Refused]
    assert [taken["messageId"] for taken in service.taken] == [event.dedup_key for event in events[:-1]]


@pytest.mark.parametrize(
    ("raw", "region", "host"),
    [({}, "us", "us"), ({}, "eu", "eu"), ({}, "x", "us"), ({"residency": "eu"}, "us", "eu")],
)
async def test_the_residency_decides_the_host(
    surroundings: Surroundings, raw: dict[str, object], region: str, host: Any
) -> None:
    """In the wrong place Segment loses everything in silence: our region's name decides until told otherwise."""
    destination = make(surroundings._replace(region=region), **raw)
    assert destination._calls._service.url.reveal() == HOSTS[host]
    await destination.close()
