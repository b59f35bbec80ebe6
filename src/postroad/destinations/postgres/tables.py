"""The tables in PostgreSQL: their SQL, and how a batch becomes what fills them. Pure.

A migration is a list of statements that change nothing when they are repeated: to bring older tables up to date,
and when one was dropped underneath us, all of them are run again.
"""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from postroad.destinations.dedup import event_key
from postroad.destinations.warehouse.columns import TABLES, Columns

EVENTS: Final = "events"
VERSION_TABLE: Final = "postroad_version"

_COMMON: Final = {
    "event_key": "uuid PRIMARY KEY",
    "region": "text NOT NULL",
    "source": "text NOT NULL",
    "log_offset": "bigint NOT NULL",
    "received_at": "timestamptz NOT NULL",
    "message_id": "text NOT NULL",
    "schema_version": "integer NOT NULL",
    "event_text": "text NOT NULL",
    "user_id": "text",
    "anonymous_id": "text",
    "timestamp": "timestamptz",
    "email": "text",
}
_RAW: Final = {
    "type": "text NOT NULL",
    "event": "text NOT NULL",
    "violations": "jsonb NOT NULL",
    "body": "jsonb",
    "body_text": "text",
}
# An escaped NUL, and a number far outside what anybody computes with. A text that only looks like one makes us
# keep the body as text without need, which loses nothing.
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_EXPONENT: Final = re.compile(r"[0-9][eE][+-]?[0-9]{3}")  # cheap, and alone it would be true of many an id
_HUGE: Final = re.compile(r"[:,\[\s]-?[0-9][0-9.]*[eE][+-]?[0-9]{3}")


class Table(NamedTuple):
    """One table: its columns with their SQL types."""

    name: str
    columns: dict[str, str]


OURS: Final[Sequence[Table]] = (
    Table(EVENTS, _COMMON | _RAW),
    *(Table(name, _COMMON | dict.fromkeys(kind.properties.__struct_fields__, "text")) for kind, name in TABLES.items()),
)


class Insert(NamedTuple):
    """One statement with one parameter: the rows as a JSON array, which is much the cheapest to write here."""

    table: str
    statement: str
    rows: str


def migrations(schema: str) -> Sequence[Sequence[str]]:
    """Return the statements that lead from each version to the next, the first from an empty schema."""
    first: list[str] = []
    for name, columns in OURS:
        defined = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        first.append(f'CREATE TABLE IF NOT EXISTS "{schema}"."{name}" ({defined})')
        first.append(
            f'CREATE INDEX IF NOT EXISTS "{name}_received_at" ON "{schema}"."{name}" USING brin ("received_at")'
        )
    return (first,)


def inserts(schema: str, rows: Sequence[Columns]) -> Sequence[Insert]:
    """Return what inserts these rows: a statement for each table that gets any."""
    found = []
    for table in OURS:
        mine = [_row(row, table.name) for row in rows if table.name in {EVENTS, row.event}]
        if mine:
            found.append(Insert(table.name, _statement(schema, table), msgspec.json.encode(mine).decode()))
    return found


def fits_jsonb(body: str) -> bool:
    """Tell whether jsonb surely takes this JSON; it keeps every value, but not the spelling or order."""
    if "\\u0000" in body and _NUL.search(body):
        return False
    return not (_EXPONENT.search(body) and _HUGE.search(body))


def _statement(schema: str, table: Table) -> str:
    names = ", ".join(f'"{name}"' for name in table.columns)
    typed = ", ".join(f'"{name}" {kind.split()[0]}' for name, kind in table.columns.items())
    return (
        f'INSERT INTO "{schema}"."{table.name}" ({names}) '  # noqa: S608 -- names of ours
        f'SELECT {names} FROM json_to_recordset(%s::json) AS given ({typed}) ON CONFLICT ("event_key") DO NOTHING'
    )


def _row(row: Columns, table: str) -> dict[str, Any]:
    common = {
        "event_key": event_key(row.region, row.source, row.message_id),
        "region": row.region,
        "source": _text(row.source),
        "log_offset": row.log_offset,
        "received_at": row.received_at,
        "message_id": _text(row.message_id),
        "schema_version": row.schema_version,
        "event_text": _text(row.event_text),
        "user_id": _text(row.user_id),
        "anonymous_id": _text(row.anonymous_id),
        "timestamp": row.timestamp,
        "email": _text(row.email),
    }
    return common | (_raw(row) if table == EVENTS else {name: _text(value) for name, value in row.properties.items()})


def _raw(row: Columns) -> dict[str, Any]:
    fits = fits_jsonb(row.body)
    return {
        "type": row.type,
        "event": row.event,
        "violations": [_text(violation) for violation in row.violations],
        "body" if fits else "body_text": msgspec.Raw(row.body.encode()) if fits else row.body,
    }


def _text(text: str | None) -> str | None:
    return text.replace("\0", "\ufffd") if text else text
