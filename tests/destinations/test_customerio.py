"""What Customer.io gets, and what its answers lead to."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from services import CustomerioService, settle

from postroad import __version__
from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Event, Pause, Refused, Retry, SendResult, Split, Surroundings
from postroad.destinations.customerio import HOSTS, Customerio
from postroad.destinations.http.client import basic_auth
from postroad.registry import settings_of
from postroad.testing.events import call, email_event, every_email_event
from postroad.testing.receiver import Behaviour, Receiver, answer, endless, hang, reset

KEY = "cdp-write-key"


def make(surroundings: Surroundings, **raw: object) -> Customerio:
    """Make one that calls the given url."""
    settings: Any = settings_of("customerio", {"write_key": KEY, **raw}, "destinations.cio")
    return Customerio(settings, surroundings)


@pytest.fixture
def service(receiver: Receiver) -> CustomerioService:
    """The service with its key."""
    return CustomerioService(receiver, basic_auth(KEY))


def nobody(number: int) -> Event:
    """Return a call that Customer.io refuses."""
    members = {"event": "Email Opened", "userId": None, "properties": {"email_id": f"em_{number}"}}
    return call("track", members, message_id=f"bad-{number}", offset=number, kind=Kind.OPENED)


def large(number: int, size: int) -> Event:
    """Return an event with a text of `size` bytes."""
    members = {"event": "Order Placed", "properties": {"note": "x" * size}}
    return call("track", members, message_id=f"large-{number}", offset=number)


@pytest.mark.parametrize("kind", Kind)
async def test_the_request_of_each_event_is_golden(
    kind: Kind, surroundings: Surroundings, service: CustomerioService, golden: Callable[[str, bytes], None]
) -> None:
    """Each email event goes out as exactly the recorded bytes, and Customer.io takes it."""
    destination = make(surroundings, url=service.url)
    assert await destination.send([email_event(kind)]) == [Delivered()]
    await destination.close()
    head, body = service.receiver.requests[0]
    head = re.sub(rb"Host: [^\r]*", b"Host: cdp.customer.io", head).replace(__version__.encode(), b"VERSION")
    golden(f"customerio/{kind.name.lower()}.http", head + body + b"\n")
    assert [taken["event"] for taken in service.taken] == [kind.event]


async def test_one_bad_event_is_found_and_the_others_arrive(
    surroundings: Surroundings, service: CustomerioService
) -> None:
    """Strict mode refuses a batch as a whole: split again and again, only the bad event is refused."""
    destination = make(surroundings, url=service.url)
    good = every_email_event()
    events = [*good, nobody(1001), call("identify", {"traits": {}}, message_id="i", offset=1002)]
    outcomes = await settle(destination, events)
    await destination.close()
    assert [type(outcome) for outcome in outcomes] == [Delivered] * len(good) + [Refused, Delivered]
    assert isinstance(outcomes[-2], Refused)
    assert "userId or anonymousId is required" in outcomes[-2].answer
    assert [taken["messageId"] for taken in service.taken] == [event.dedup_key for event in (*good, events[-1])]


async def test_a_wrong_key_pauses(surroundings: Surroundings, service: CustomerioService) -> None:
    """A wrong key is never silence: strict mode answers 401, and every event waits."""
    service.authorization = "Basic another"
    destination = make(surroundings, url=service.url)
    outcomes = await destination.send(every_email_event())
    await destination.close()
    said = Pause("answered 401 Unauthorized: the credentials are missing or wrong", 401, "Unauthorized")
    assert outcomes == [said] * len(Kind)


@pytest.mark.parametrize(
    ("behaviour", "alone", "together"),
    [
        (answer(200, b"{}"), Delivered, Delivered),
        (answer(200, b"ok"), Delivered, Delivered),
        (answer(200, b'{"meta":{"errors":["userId is required"]}}'), Refused, Split),
        (answer(200, b'{"success":false}'), Refused, Split),
        (answer(302, b"", {"Location": "http://10.0.0.1/"}), Pause, Pause),
        (answer(400, b'{"meta":{"errors":["bad"]}}'), Refused, Split),
        (answer(401), Pause, Pause),
        (answer(404), Pause, Pause),
        (answer(413), Split, Split),
        (answer(429, b"", {"Retry-After": "30"}), Retry, Retry),
        (answer(500), Retry, Retry),
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


async def test_retry_after_is_handed_on(surroundings: Surroundings, receiver: Receiver) -> None:
    """The seconds that a 429 asks for reach the engine."""
    receiver.behaviour = answer(429, b"slow down", {"Retry-After": "30"})
    destination = make(surroundings, url=receiver.url)
    expected = Retry("answered 429 Too Many Requests", 30.0, 429, "slow down")
    assert await destination.send([email_event(Kind.OPENED)]) == [expected]
    await destination.close()


async def test_a_request_keeps_to_the_limits(surroundings: Surroundings, service: CustomerioService) -> None:
    """However large the batch that was configured, no request has more than 500 KB."""
    destination = make(surroundings, url=service.url)
    events = [large(number, 20_000) for number in range(60)]
    assert await destination.send(events) == [Delivered()] * 60
    await destination.close()
    assert [taken["messageId"] for taken in service.taken] == [event.dedup_key for event in events]
    assert [len(request.body) <= 475_100 for request in service.receiver.requests] == [True] * 3


async def test_an_event_over_the_limit_is_refused_unsent(
    surroundings: Surroundings, service: CustomerioService
) -> None:
    """More than 32 KiB can't be taken: the event is refused, the others of its batch arrive at once."""
    destination = make(surroundings, url=service.url)
    outcomes = await destination.send([email_event(Kind.OPENED), large(1, 33_000), email_event(Kind.BOUNCED)])
    await destination.close()
    assert [type(outcome) for outcome in outcomes] == [Delivered, Refused, Delivered]
    assert "takes 32768 an event" in str(outcomes[1])
    assert len(service.receiver.requests) == 1


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_nothing_follows_a_request_that_did_not_get_through(
    surroundings: Surroundings, receiver: Receiver, status: int
) -> None:
    """A service that is down or says to slow down is not called again for the rest of the batch."""
    receiver.behaviour = answer(status)
    destination = make(surroundings, url=receiver.url)
    outcomes = await destination.send([large(number, 20_000) for number in range(60)])
    await destination.close()
    assert len(receiver.requests) == 1
    assert len(set(outcomes)) == 1
    assert isinstance(outcomes[0], Pause if status == 401 else Retry)


async def test_times_of_another_hop_stay_behind(surroundings: Surroundings, service: CustomerioService) -> None:
    """`sentAt` is of this request and the sender's own times are gone, so nothing moves an old event's time."""
    old = {"sentAt": "2020-01-01T00:00:00Z", "originalTimestamp": "2020-01-01T00:00:00Z"}
    destination = make(surroundings, url=service.url)
    await destination.send([call("track", {"event": "E", **old}, message_id="m", offset=1)])
    await destination.close()
    body = json.loads(service.receiver.requests[0].body)
    assert body["sentAt"] == "2023-11-14T22:13:20.000Z"
    assert set(body["batch"][0]) == {"type", "userId", "event", "messageId", "timestamp"}


@pytest.mark.parametrize(
    ("raw", "region", "host"),
    [
        ({}, "us", "us"),
        ({}, "eu", "eu"),
        ({}, "apac", "us"),
        ({"residency": "us"}, "eu", "us"),
        ({"write_key": "sk_eu_123"}, "us", "eu"),
        ({"write_key": "pk_us_123"}, "eu", "us"),
        ({"write_key": "sk_eu_123", "residency": "us"}, "us", "us"),
    ],
)
async def test_the_residency_decides_the_host(
    surroundings: Surroundings, raw: Mapping[str, object], region: str, host: str
) -> None:
    """The host is the one that was chosen, else what the key says, else the region's; an address wins over all."""
    for given, expected in ((raw, HOSTS["us" if host == "us" else "eu"]), ({**raw, "url": "http://h/x"}, "http://h/x")):
        destination = make(surroundings._replace(region=region), **given)
        assert destination._calls._service.url.reveal() == expected
        await destination.close()


async def test_a_telling_key_is_a_bearer_token(surroundings: Surroundings, receiver: Receiver) -> None:
    """Keys that say their region are sent as the official clients send them."""
    service = CustomerioService(receiver, "Bearer sk_eu_123")
    destination = make(surroundings, url=service.url, write_key="sk_eu_123")
    assert await destination.send([email_event(Kind.OPENED)]) == [Delivered()]
    await destination.close()
