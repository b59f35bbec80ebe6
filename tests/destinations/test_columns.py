"""What the warehouses keep of an event, as columns."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroad.contract.email import Kind
from postroad.destinations.parquet import Parquet
from postroad.destinations.postgres import Postgres
from postroad.destinations.warehouse.columns import TABLES, Columns, columns_of, email_events
from postroad.testing.events import RECEIVED_AT, call, email_event, plain_track


def columns(members: dict[str, Any], kind: Kind | None = Kind.OPENED) -> Columns:
    """Return the columns of a track call with these members."""
    return columns_of(call("track", {"event": "Email Opened", **members}, message_id="m", offset=1, kind=kind))


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
def test_each_email_event_has_a_table_with_its_own_columns(kind: Kind) -> None:
    """Of each email event every property of the contract has a column, filled in every table that says so."""
    found = columns_of(email_event(kind))
    assert found.event == TABLES[kind]
    assert list(found.properties) == list(kind.properties.__struct_fields__)
    assert None not in found.properties.values()
    assert (found.user_id, found.email) == ("ada", "ada@example.com")


def test_no_property_takes_the_place_of_another_column() -> None:
    """No property of an email event is called like a column that all events have."""
    columns = {*Columns._fields, "event_key", "body_text", "day"}
    assert {name for kind in Kind for name in kind.properties.__struct_fields__} & columns == set()


@pytest.mark.parametrize("destination", [Parquet, Postgres])
def test_each_email_event_is_stated(destination: Any) -> None:
    """Both warehouses state for each email event the table and what fills it."""
    stated = destination.email_events
    assert stated == email_events(next(iter(stated.values())).key)
    assert {kind: sent.name for kind, sent in stated.items()} == TABLES
    assert stated[Kind.UNSUBSCRIBED].fields["list_id"] == "properties.list_id"


def test_other_calls_go_by_their_type() -> None:
    """A call that is no email event has no properties as columns and goes by its type."""
    found = columns_of(plain_track())
    assert (found.event, found.event_text, found.properties) == ("track", "Order Placed", {})


def test_an_alias_goes_where_its_kind_goes() -> None:
    """An event under another tool's name is in the table of its kind, and keeps its name."""
    name = Kind.OPENED.aliases[0]
    found = columns({"event": name})
    assert (found.event, found.event_text) == ("email_opened", name)


@pytest.mark.parametrize(
    ("value", "column"),
    [("x", "x"), ("", ""), (None, None), (42, "42"), (1.5, "1.5"), (True, "true"), ({"a": [1]}, '{"a":[1]}')],
)
def test_what_is_no_text_is_written_as_json(value: object, column: str | None) -> None:
    """A mistyped property is not lost: its JSON is the text; null and absent are nothing."""
    assert columns({"properties": {"campaign_id": value}}).properties["campaign_id"] == column
    assert columns({"properties": {}}).properties["campaign_id"] is None


@pytest.mark.parametrize(
    "members", [{"properties": "x"}, {"properties": None}, {"context": []}, {"context": {"traits": 1}}]
)
def test_members_of_another_form_leave_columns_empty(members: dict[str, Any]) -> None:
    """Where an object is expected and something else is there, the columns from it are empty."""
    found = columns(members)
    assert found.email is None
    assert set(found.properties.values()) == {None}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-15T10:30:00.000Z", datetime(2024, 1, 15, 10, 30, tzinfo=UTC)),
        ("2024-01-15T12:30:00.123456789+02:00", datetime(2024, 1, 15, 10, 30, 0, 123456, tzinfo=UTC)),
        ("0001-01-01T00:00:00+23:59", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("yesterday", None),
        (17, None),
    ],
)
def test_the_timestamp_is_a_moment_in_utc(text: object, moment: datetime | None) -> None:
    """The event's own time is a moment in UTC, and nothing where it is none that a database has."""
    event = email_event(Kind.OPENED)
    body = json.loads(event.body) | {"timestamp": text}
    found = columns_of(event._replace(body=json.dumps(body).encode()))
    assert found.timestamp == moment
    assert found.received_at == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=RECEIVED_AT)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"a":"\xff"}', b'{"a":', b'{"a":"\\ud800 "}'])
def test_a_body_that_is_no_json_object_is_an_error(body: bytes) -> None:
    """What a transform may have broken is a `ValueError`, nothing else."""
    with pytest.raises(ValueError, match=r"."):
        columns_of(email_event(Kind.OPENED)._replace(body=body))


def test_text_can_always_be_encoded() -> None:
    """A lone surrogate in an id or a name becomes U+FFFD; all else stays."""
    found = columns_of(email_event(Kind.OPENED)._replace(message_id="a\ud800🐢", name="\udfff"))
    assert (found.message_id, found.event_text) == ("a\ufffd🐢", "\ufffd")
