"""What our own warehouses (PostgreSQL, Parquet) keep of an event, as columns: pure, and the same for both.

Each email event has a table (or partition) of its own: `TABLES` names it after the event, and `email_events` says
what fills its columns.

An event under another tool's name for one of them goes where that one goes; `event_text` has the name it
came with. A column is text: a string as it is, nothing for null and for what is absent, and for anything
else its JSON. The body has everything, whatever the columns say.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from postroad.contract.email import Kind
from postroad.destinations.base import EmailEvents, Event, Refused, Sent

SCHEMA: Final = 1
"""The version of these columns: a higher one only ever has more."""

TABLES: Final[Mapping[Kind, str]] = {kind: kind.event.lower().replace(" ", "_") for kind in Kind}

_COMMON: Final = {"user_id": "userId", "timestamp": "timestamp", "email": "context.traits.email"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_STRING: Final = msgspec.json.Decoder(str)
_NOTHING: Final[Mapping[str, Raw]] = {}
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class Columns(NamedTuple):
    """One event. `event` is the table of an email event and the type of any other call, `event_text` its name.

    `timestamp` is in UTC, None when it is outside the years 1 to 9999 there. `properties` has those of the
    event's kind, in their order; it is empty for other calls.
    """

    region: str
    source: str
    log_offset: int
    received_at: datetime
    message_id: str
    schema_version: int
    type: str
    event: str
    event_text: str
    user_id: str | None
    anonymous_id: str | None
    timestamp: datetime | None
    email: str | None
    violations: Sequence[str]
    properties: Mapping[str, str | None]
    body: str


def email_events(key: str) -> EmailEvents:
    """Return what becomes of each email event; `key` names what makes a row the same."""
    return MappingProxyType(
        {
            kind: Sent(name, _COMMON | {own: f"properties.{own}" for own in kind.properties.__struct_fields__}, key)
            for kind, name in TABLES.items()
        }
    )


def columns_of(event: Event) -> Columns:
    """Return the columns of an event. Raises `ValueError` when its body is no JSON object in UTF-8."""
    body = event.body.decode()
    try:
        members: Mapping[str, Raw] = _MEMBERS.decode(event.body)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    properties = _members(members.get("properties"))
    traits = _members(_members(members.get("context")).get("traits"))
    names = event.kind.properties.__struct_fields__ if event.kind is not None else ()
    return Columns(
        region=event.region,
        source=encodable(event.source),
        log_offset=event.offset,
        received_at=_EPOCH + timedelta(microseconds=event.received_at),
        message_id=encodable(event.message_id),
        schema_version=SCHEMA,
        type=event.type,
        event=TABLES[event.kind] if event.kind is not None else event.type,
        event_text=encodable(event.name),
        user_id=_text(members.get("userId")),
        anonymous_id=_text(members.get("anonymousId")),
        timestamp=_moment(_text(members.get("timestamp"))),
        email=_text(traits.get("email")),
        violations=[encodable(violation) for violation in event.violations],
        properties={name: _text(properties.get(name)) for name in names},
        body=body,
    )


def columns_or_refusal(event: Event) -> Columns | Refused:
    """Return the columns of an event, or its outcome when there are none: a transform may have spoiled its body."""
    try:
        return columns_of(event)
    except ValueError as error:
        return Refused(f"the body is not JSON: {error}")


def encodable(text: str) -> str:
    """Return the text with every lone surrogate, which UTF-8 has no place for, as U+FFFD."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def _members(value: Raw | None) -> Mapping[str, Raw]:
    try:
        return _MEMBERS.decode(value) if value is not None else _NOTHING
    except msgspec.MsgspecError:
        return _NOTHING


def _text(value: Raw | None) -> str | None:
    if value is None or bytes(value) == b"null":
        return None
    try:
        return _STRING.decode(value)
    except msgspec.MsgspecError:
        return bytes(value).decode()


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        return None
