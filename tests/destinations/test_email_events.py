"""The tables that say what becomes of the email events are true."""

import gzip
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from postroad.contract.email import Kind
from postroad.destinations.base import Sent, Surroundings
from postroad.destinations.email_events import passed_on, without_place
from postroad.registry import load, settings_of
from postroad.testing.destinations import DestinationConformance
from postroad.testing.events import email_event
from postroad.testing.receiver import Receiver

SETTINGS: Mapping[str, Mapping[str, object]] = {
    "customerio": {"write_key": "k"},
    "mixpanel": {"project_token": "t"},
    "segment": {"write_key": "k"},
    "webhook": {},
    "webhook_batch": {},
}


def test_what_a_table_says_nothing_of_has_no_place() -> None:
    """None and a missing entry are the same to the engine; a table that is made of all events leaves none out."""
    table = {Kind.OPENED: Sent("open", {}, "id"), Kind.BOUNCED: None}
    assert without_place(table) == set(Kind) - {Kind.OPENED}
    assert without_place(passed_on("id")) == set()


async def test_the_conformance_suite_asks_for_what_is_not_said() -> None:
    """An author whose table is older than an event is told by his tests which event it is, and what to write."""
    suite = DestinationConformance()
    table = {kind: None for kind in Kind if kind is not Kind.MARKED_AS_SPAM}
    suite.harness = SimpleNamespace(type=SimpleNamespace(email_events=table))  # type: ignore[assignment]
    with pytest.raises(
        AssertionError, match="email_events says nothing of Email Marked as Spam: add what goes out, or"
    ):
        await suite.test_states_what_becomes_of_each_email_event()


def at(path: str, value: Any) -> Any:
    """Return what is at a path of an object; None when nothing is."""
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", SETTINGS)
async def test_what_goes_out_is_what_the_table_says(
    name: str, kind: Kind, surroundings: Surroundings, receiver: Receiver
) -> None:
    """Each event goes out under the stated name, every stated field is there, and so is the key for duplicates."""
    type_: Any = load(name)
    destination = type_(settings_of(name, {**SETTINGS[name], "url": receiver.url}, "destinations.d"), surroundings)
    event = email_event(kind)
    event = event._replace(body=event.body.replace(b'"traits":', b'"ip":"203.0.113.9","traits":'))
    assert destination.takes(event)
    await destination.send([event])
    await destination.close()
    [request] = receiver.requests
    body = json.loads(gzip.decompress(request.body) if "content-encoding" in request.headers else request.body)
    body = body[0] if isinstance(body, list) else body.get("batch", [body])[0]
    table = type_.email_events[kind]
    assert body["event"] == table.name
    for there, here in table.fields.items():
        sent, own = at(there, body), at(here, json.loads(event.body))
        assert sent == (1_705_314_600_000 if there == "properties.time" else own)
        assert sent is not None
    key = event.message_id if name == "webhook_batch" else event.dedup_key  # its members are as they came
    assert key == (request.headers.get(table.key) or at(table.key, body))
