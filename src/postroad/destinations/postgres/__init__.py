"""The postgres destination: a table for every event and a typed one for each of the six email events.

Tables are made and migrated by us, in a schema of their own:

- `events` has a row for every event, with its body as `jsonb`. The few bodies that jsonb can't hold (a NUL
  character in a text, a number beyond any use) are in `body_text` instead, byte for byte, and `body` is NULL.
- `email_bounced`, … (the table is in `postroad.destinations.warehouse.columns`) have a row for each such event, with
  its properties as columns. `event_key` joins them to `events`.
- A NUL inside a column's text, which PostgreSQL can't store, is written as U+FFFD.

Once and for all: `event_key` is the first half of the SHA-256 of region, source and message id, each after
the first behind a NUL, because a message id may be longer than an index takes. The same event sent again
changes nothing: `ON CONFLICT DO NOTHING`. The offset is no part of it, so an event that is imported again,
or comes again after the window of our own dedup, is still one row.

What a connection must be so that its password is given to nobody else is in `demands`.

A batch is one transaction. The address is the operator's own and usually a private one, so `allow_private` is not
asked. Connections are not prepared for anything: a pooler in transaction mode may stand in between.
"""

import asyncio
import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import msgspec
from msgspec import Meta

from postroad.destinations.base import BatchLimits, EmailEvents, Event, Refused, Retry, SendResult, Surroundings
from postroad.destinations.warehouse.columns import Columns, columns_or_refusal, email_events
from postroad.secret import Secret

if TYPE_CHECKING:
    from postroad.destinations.postgres.session import Session

_DSN: Final = re.compile(r"postgres(ql)?://.+|\s*\w+\s*=.+", re.DOTALL)


class Dsn(Secret):
    """How to reach a database, as libpq reads it: an address or `key=value` pairs. It never shows."""

    __slots__ = ()

    def __init__(self, value: str) -> None:
        """Raises `ValueError` when it has neither form."""
        super().__init__(value)
        if not _DSN.fullmatch(value):
            raise ValueError("must be an address like postgresql://user:password@host/database")


class Postgres:
    """Inserts events into a PostgreSQL database."""

    batch: ClassVar[BatchLimits] = BatchLimits(max_events=2_000, max_bytes=4 * 1024 * 1024, linger=0.5)
    email_events: ClassVar[EmailEvents] = email_events("event_key")

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Its settings."""

        dsn: Annotated[
            Dsn,
            Meta(
                description="The database: `postgresql://user:password@host/database`. Unless it says otherwise, "
                "`sslmode` is `verify-full` but on this machine itself, and `require_auth` is `scram-sha-256` (libpq "
                "16 and newer); `check` shows what is in force."
            ),
        ]
        schema: Annotated[
            str,
            Meta(
                pattern=r"^[a-z_][a-z0-9_]{0,62}\Z",
                description="Where the tables are; made when it is missing and we may.",
            ),
        ] = "postroad"

        def __post_init__(self) -> None:
            """Refuse to start without the driver."""
            if find_spec("psycopg") is None:
                raise ValueError("type: needs a driver that is not installed; install postroad[postgres]")

        def in_force(self) -> str:
            """Say how the connection is protected; `check` shows it."""
            from postroad.destinations.postgres.session import in_force  # noqa: PLC0415 -- see `_session`

            return in_force(self.dsn)

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._timeout = surroundings.timeout
        self._idle: list[Session] = []
        self._writes: set[asyncio.Task[Sequence[SendResult]]] = set()

    def takes(self, event: Event) -> bool:  # noqa: ARG002 -- the port's signature
        """Every event has a row in `events`."""
        return True

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """Insert the batch in one transaction; one that is cut off leaves nothing."""
        read = await asyncio.to_thread(_read, events) if events else ()
        rows = [one for one in read if isinstance(one, Columns)]
        written = iter(await self._write(rows) if rows else ())
        return [next(written) if isinstance(one, Columns) else one for one in read]

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        if self._writes:
            await asyncio.wait(self._writes)
        while self._idle:
            await self._idle.pop().close()

    async def _write(self, rows: Sequence[Columns]) -> Sequence[SendResult]:
        session = self._idle.pop() if self._idle else self._session()
        write = asyncio.create_task(session.write(rows))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        try:
            # Not a cancellation: the driver would ask the server first, and a server that hangs is the point.
            await asyncio.wait([write], timeout=self._timeout)
        finally:
            if not write.done():
                session.cut(write)
        if write.cancelled() or not write.done():
            return [Retry(f"the database did not answer within {self._timeout:g} s")] * len(rows)
        outcomes = write.result()
        self._idle.append(session)
        return outcomes

    def _session(self) -> "Session":
        # Only now: the driver is slow to import, and commands that only read the settings do without.
        from postroad.destinations.postgres.session import Session  # noqa: PLC0415

        return Session(self._settings.dsn, self._settings.schema, self._timeout)


def _read(events: Sequence[Event]) -> Sequence[Columns | Refused]:
    return [columns_or_refusal(event) for event in events]
