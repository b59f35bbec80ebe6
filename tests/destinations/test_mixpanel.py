"""What Mixpanel gets, and what its answers lead to."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from services import PLACEHOLDERS, MixpanelService, settle

from postroad import __version__
from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Event, Pause, Refused, Retry, SendResult, Split, Surroundings
from postroad.destinations.mixpanel import HOSTS, Mixpanel
from postroad.destinations.mixpanel.event import insert_id, write
from postroad.errors import ConfigError
from postroad.registry import settings_of
from postroad.testing.events import call, email_event, every_email_event, unusual_events
from postroad.testing.receiver import Behaviour, Receiver, answer, endless, hang, reset

TOKEN = "mixpanel-token"
ACCOUNT = {"service_account": "robot.1", "service_account_secret": "hush", "project_id": 42}


def make(surroundings: Surroundings, **raw: object) -> Mixpanel:
    """Make one that calls the given url."""
    signed = raw if "service_account" in raw else {"project_token": TOKEN, **raw}
    settings: Any = settings_of("mixpanel", signed, "destinations.mix")
    return Mixpanel(settings, surroundings)


@pytest.fixture
def service(receiver: Receiver) -> MixpanelService:
    """The service with its token."""
    return MixpanelService(receiver, (TOKEN, ""))


def track(message: str = "m", **members: object) -> Event:
    """Return a track call."""
    event = call("track", {"event": "Order Placed", **members}, message_id=message, offset=1)
    return event._replace(dedup_key=message)


def properties(event: Event) -> dict[str, Any]:
    """Return the properties that go out for an event."""
    found: dict[str, Any] = json.loads(write(event).body)["properties"]
    return found


@pytest.mark.parametrize("kind", Kind)
async def test_the_request_of_each_event_is_golden(
    kind: Kind, surroundings: Surroundings, service: MixpanelService, golden: Callable[[str, bytes], None]
) -> None:
    """Each email event goes out as exactly the recorded bytes, once inflated, and Mixpanel imports it."""
    destination = make(surroundings, url=service.url)
    assert await destination.send([email_event(kind)]) == [Delivered()]
    await destination.close()
    head, body = service.receiver.requests[0]
    head = re.sub(rb"Host: [^\r]*", b"Host: api.mixpanel.com", head).replace(__version__.encode(), b"VERSION")
    head = re.sub(rb"Content-Length: [^\r]*", b"Content-Length: COMPRESSED", head)
    golden(f"mixpanel/{kind.name.lower()}.http", head + gzip.decompress(body) + b"\n")
    assert [taken["event"] for taken in service.taken] == [kind.event]


async def test_only_the_events_that_are_named_are_refused(surroundings: Surroundings, service: MixpanelService) -> None:
    """A batch with bad events is imported without them: one request, and each event has its own outcome."""
    future = track("late")._replace(body=track("late").body.replace(b"2024-01-15", b"2124-01-15"))
    wide = track("wide", properties={f"p{number}": number for number in range(255)})
    destination = make(surroundings, url=service.url)
    outcomes = await destination.send([track("a"), future, track("b"), wide, track("c")])
    await destination.close()
    assert [type(outcome) for outcome in outcomes] == [Delivered, Refused, Delivered, Refused, Delivered]
    reason = "properties.time: 'properties.time' is invalid"
    assert outcomes[1] == Refused(f"refused by Mixpanel: {reason}", 400, reason)
    assert [taken["properties"]["$insert_id"] for taken in service.taken] == ["a", "b", "c"]
    assert len(service.receiver.requests) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"num_records_imported": 1, "failed_records": [{"index": 1, "insert_id": "b"}]}, [Delivered, Refused]),
        ({"num_records_imported": 1, "failed_records": [{"index": 0, "$insert_id": "b"}]}, [Delivered, Refused]),
        ({"num_records_imported": 1, "failed_records": [{"index": 0}]}, [Refused, Delivered]),
        ({"num_records_imported": 0, "failed_records": [{"index": 0}, {"index": 1}]}, [Refused, Refused]),
        ({"num_records_imported": 1, "failed_records": [{"index": 0}, {"index": 0}]}, [Refused, Delivered]),
        ({"num_records_imported": 0, "failed_records": [{"index": 0}]}, [Refused, Split]),
        ({"num_records_imported": 1, "failed_records": [{"index": 7, "insert_id": "z"}]}, [Split, Split]),
        ({"num_records_imported": 1}, [Split, Split]),
        ({"num_records_imported": 1, "failed_records": "some"}, [Split, Split]),
        ({"error": "bad"}, [Split, Split]),
        ([], [Split, Split]),
        (None, [Split, Split]),
    ],
)
async def test_an_answer_must_account_for_every_event(
    surroundings: Surroundings, receiver: Receiver, body: object, expected: list[type[SendResult]]
) -> None:
    """What is not said of an event is not guessed: those are sent again in smaller batches."""
    receiver.behaviour = answer(400, json.dumps(body).encode())
    destination = make(surroundings, url=receiver.url)
    outcomes = await destination.send([track("a"), track("b")])
    await destination.close()
    assert [type(outcome) for outcome in outcomes] == expected


async def test_an_answer_too_long_to_be_read_is_no_guess(surroundings: Surroundings, service: MixpanelService) -> None:
    """When so many events are bad that the list of them is cut off, halves of the batch are sent until it fits."""
    service.now = 0
    destination = make(surroundings, url=service.url)
    outcomes = await settle(destination, [track(f"bad-{number}") for number in range(1_500)])
    await destination.close()
    assert {type(outcome) for outcome in outcomes} == {Refused}
    assert service.taken == []


@pytest.mark.parametrize(
    ("behaviour", "alone", "together"),
    [
        (answer(200, b'{"code":200,"num_records_imported":0,"status":"OK"}'), Refused, Split),
        (answer(200, b"<html>Sign in to the WiFi</html>"), Retry, Retry),
        (answer(200, b"1"), Retry, Retry),
        (answer(302, b"", {"Location": "http://10.0.0.1/"}), Pause, Pause),
        (answer(400, b"Bad Request"), Refused, Split),
        (answer(401, b'{"code":401,"error":"Invalid credentials"}'), Pause, Pause),
        (answer(404), Pause, Pause),
        (answer(413), Split, Split),
        (answer(429, b"", {"Retry-After": "60"}), Retry, Retry),
        (answer(502), Retry, Retry),
        (endless, Retry, Retry),
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


async def test_a_batch_that_is_too_large_over_there_is_split(
    surroundings: Surroundings, service: MixpanelService
) -> None:
    """A limit below the documented one costs requests and no events."""
    service.max_bytes = 10_000
    destination = make(surroundings, url=service.url)
    events = [track(f"m-{number}", properties={"note": "x" * 900}) for number in range(30)]
    assert await settle(destination, events) == [Delivered()] * 30
    await destination.close()
    assert [taken["properties"]["$insert_id"] for taken in service.taken] == [event.dedup_key for event in events]


async def test_requests_keep_to_the_limits(surroundings: Surroundings, service: MixpanelService) -> None:
    """No request has more than 2,000 events or 2 MB."""
    destination = make(surroundings, url=service.url)
    events = [track(f"s-{number}") for number in range(2_100)]
    events += [track(f"l-{number}", properties={"note": "x" * 30_000}) for number in range(80)]
    assert await destination.send(events) == [Delivered()] * 2_180
    await destination.close()
    assert len(service.receiver.requests) == 3


@pytest.mark.parametrize("echoed", [b"hush", b"cm9ib3QuMTpodXNo"])
async def test_a_secret_in_a_reason_is_not_shown(surroundings: Surroundings, receiver: Receiver, echoed: bytes) -> None:
    """What Mixpanel says of an event is cleaned of our credentials, too."""
    said = b'{"num_records_imported":0,"failed_records":[{"index":0,"field":"f","message":"no %b\\n"}]}' % echoed
    receiver.behaviour = answer(400, said)
    destination = make(surroundings, url=receiver.url, **ACCOUNT)
    [outcome] = await destination.send([track()])
    await destination.close()
    assert isinstance(outcome, Refused)
    assert "f: no ***" in outcome.why
    assert "\n" not in outcome.why


async def test_a_service_account_signs_in_with_its_project(surroundings: Surroundings, receiver: Receiver) -> None:
    """A service account goes out as user and password, and says which project it means."""
    service = MixpanelService(receiver, ("robot.1", "hush"), "42")
    for project_id in (42, "42"):
        destination = make(surroundings, url=service.url, **{**ACCOUNT, "project_id": project_id})
        assert await destination.send([track()]) == [Delivered()]
        await destination.close()


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"service_account": "robot.1"},
        {"service_account": "robot.1", "service_account_secret": "hush"},
        {"service_account_secret": "hush", "project_id": 42},
        {"project_token": "t", **ACCOUNT},
    ],
)
def test_half_of_the_credentials_is_a_mistake(raw: Mapping[str, object]) -> None:
    """It is a token, or all three parts of a service account: said when the configuration is read."""
    with pytest.raises(ConfigError, match=r"destinations\.mix\.project_token: "):
        settings_of("mixpanel", raw, "destinations.mix")


@pytest.mark.parametrize(
    ("raw", "region", "host"),
    [({}, "us", "us"), ({}, "eu", "eu"), ({}, "in", "in"), ({}, "x", "us"), ({"residency": "eu"}, "us", "eu")],
)
async def test_the_residency_decides_the_host(
    surroundings: Surroundings, raw: dict[str, object], region: str, host: Any
) -> None:
    """The host is the one that was chosen, else that of our region's name."""
    destination = make(surroundings._replace(region=region), **raw)
    assert destination._url.reveal() == f"{HOSTS[host]}?strict=1"
    await destination.close()


@pytest.mark.parametrize(
    ("own", "fits"),
    [
        ("58524f3a-3b76-4eac-aa97-d88bccdf4f77", True),
        ("m" * 36, True),
        ("m" * 37, False),
        ("ajs-next-0b25d4f3157b064076b67f0bc5ef73a3", False),
        ("a_b", False),
        ("id with spaces", False),
        ("żółw", False),
        ("m\n", False),
        ("", False),
        *[(text, False) for text in PLACEHOLDERS],
    ],
)
def test_an_insert_id_is_always_valid(own: str, *, fits: bool) -> None:
    """A message id that Mixpanel would not take is replaced by the beginning of its digest, always the same."""
    assert insert_id(own) == (own if fits else hashlib.sha256(own.encode()).hexdigest()[:36])


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"userId": "ada"}, "ada"),
        ({"userId": None, "anonymousId": "anon-7"}, "anon-7"),
        ({"userId": "ada", "anonymousId": "anon-7"}, "ada"),
        ({"userId": None, "groupId": "g"}, ""),
        ({"userId": {"odd": 1}, "anonymousId": "anon-7"}, "anon-7"),
        *[({"userId": text, "anonymousId": "anon-7"}, "anon-7") for text in PLACEHOLDERS],
        ({"userId": "anonymous", "anonymousId": "null"}, ""),
    ],
)
def test_the_distinct_id_is_a_user_or_nobody(members: Mapping[str, object], expected: str) -> None:
    """A placeholder counts as absent, and an event of nobody is still an event."""
    assert properties(track(**members))["distinct_id"] == expected


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2024-01-15T10:30:00.123Z", 1_705_314_600_123),
        ("2024-01-15T10:30:00.123999Z", 1_705_314_600_123),
        ("2024-01-15T11:30:00+01:00", 1_705_314_600_000),
        ("2024-01-15T10:30:00", 1_705_314_600_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("yesterday", 1_705_314_605_000),
        (7, 1_705_314_605_000),
        (None, 1_705_314_605_000),
    ],
)
def test_the_time_is_that_of_the_event(timestamp: object, expected: int) -> None:
    """In milliseconds, to the digit; what is no time falls back to the time of receipt."""
    event = track()
    body = event.body.replace(b'"2024-01-15T10:30:00.000Z"', json.dumps(timestamp).encode())
    assert properties(event._replace(body=body))["time"] == expected


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"ip": "203.0.113.9"}, "203.0.113.9"),
        ({"traits": {"ip": "2001:db8::1"}}, "2001:db8::1"),
        ({"ip": "203.0.113.9", "traits": {"ip": "198.51.100.1"}}, "203.0.113.9"),
        ({"ip": "5f4dcc3b5aa765d61d8327deb882cf99"}, 0),
        ({"ip": None}, 0),
        ("odd", 0),
        (None, 0),
    ],
)
def test_without_an_address_there_is_no_place(context: object, expected: object) -> None:
    """Mixpanel would take this server's address for the recipient's: 0 tells it to look nothing up."""
    assert properties(track(context=context))["ip"] == expected


def test_properties_stay_as_they_are() -> None:
    """Properties keep every digit; those that Mixpanel would take for its own words give way to ours."""
    [_, odd] = unusual_events()
    view = odd._replace(type="page", body=odd.body.replace(b'"traits"', b'"name":"Prices","properties"'))
    sent = write(view).body
    assert b'"exact":123456789012345678901234567890,"tiny":1.0e-7,' in sent
    assert (json.loads(sent)["event"], json.loads(sent)["properties"]["name"]) == ("Page Viewed", "Prices")
    clash = properties(track(properties={"time": 1, "distinct_id": "x", "$insert_id": "y", "ip": "z", "a": 1}))
    assert clash == {"time": 1_705_314_600_000, "distinct_id": "ada", "$insert_id": "m", "ip": 0, "a": 1}
    assert properties(track(properties="odd"))["distinct_id"] == "ada"


@pytest.mark.parametrize(
    ("type_", "taken"),
    [("track", True), ("page", True), ("screen", True), ("identify", False), ("group", False), ("alias", False)],
)
async def test_only_what_happened_is_taken(surroundings: Surroundings, type_: str, *, taken: bool) -> None:
    """Profiles, groups and merges of identities are filtered: the import API has no place for them."""
    destination = make(surroundings)
    assert destination.takes(call(type_, {}, message_id="m", offset=1)) is taken
    await destination.close()
