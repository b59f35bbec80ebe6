"""One connection to PostgreSQL and what is done over it: make the tables, insert a batch."""

import asyncio
import math
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from postroad.destinations.base import Delivered, Pause, Retry, SendResult
from postroad.destinations.postgres import failures
from postroad.destinations.postgres.demands import demands, this_machine
from postroad.destinations.postgres.demands import in_force as demands_in_force
from postroad.destinations.postgres.tables import inserts
from postroad.destinations.postgres.versions import Unfit, make_again, migrate
from postroad.destinations.warehouse.columns import Columns
from postroad.secret import MASK, Secret

_SECRET_PARTS: Final = ("password", "sslpassword", "oauth_client_secret")


UNREADABLE: Final = "dsn can't be read; write postgresql://user:password@host/database"


def in_force(dsn: Secret) -> str:
    """Say how connections to this address are protected."""
    try:
        return demands_in_force(conninfo_to_dict(dsn.reveal()), this_machine(psycopg.pq.version()))
    except psycopg.ProgrammingError:
        return UNREADABLE


class Session:
    """Connects at its first write and again after every failure. Not for two writes at once."""

    def __init__(self, dsn: Secret, schema: str, timeout: float) -> None:
        self._dsn = dsn
        self._schema = schema
        self._timeout = timeout
        self._connection: AsyncConnection[Any] | None = None
        self._hidden: Sequence[str] = ()
        self._table = ""
        self._over = False

    async def write(self, rows: Sequence[Columns]) -> Sequence[SendResult]:
        """Insert the rows in one transaction; one outcome a row."""
        self._table, written = "", False
        try:
            outcomes = await self._write(rows)
            written = not self._over
        except psycopg.Error as error:
            return [failures.outcome_of(error.sqlstate, self._words(error), self._table)] * len(rows)
        except Unfit as error:
            return [Pause(str(error))] * len(rows)
        except OSError as error:
            return [Retry(f"the database could not be reached: {error.strerror or type(error).__name__}")] * len(rows)
        else:
            return outcomes
        finally:
            if not written:
                await self.close()

    def cut(self, write: asyncio.Task[Any]) -> None:
        """End `write`, which is under way here, without asking the server; nothing of it is committed."""
        self._over = True
        if self._connection is None or self._connection.closed:
            write.cancel()
            return
        # The socket and not its number: what waits for it wakes up, sees the end, and lets go of it in order.
        with socket.socket(fileno=os.dup(self._connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """Close the connection. Safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _write(self, rows: Sequence[Columns]) -> Sequence[SendResult]:
        fresh = self._connection is None
        connection = self._connection or await self._connect()
        try:
            return await self._insert(connection, rows)
        except psycopg.Error as error:
            if error.sqlstate in failures.GONE:
                await make_again(connection, self._schema)
            elif connection.broken and not fresh and not self._over:
                await self.close()
                connection = await self._connect()  # it went while it was idle: no fault of the database now
            else:
                raise
        return await self._insert(connection, rows)

    async def _connect(self) -> AsyncConnection[Any]:
        try:
            parts = conninfo_to_dict(self._dsn.reveal())
        except psycopg.ProgrammingError:
            raise Unfit(UNREADABLE) from None  # its own words repeat a part of the address
        self._hidden = [str(parts[name]) for name in _SECRET_PARTS if parts.get(name)]
        added: Mapping[str, Any] = demands(parts, this_machine(psycopg.pq.version()))
        self._connection = connection = await AsyncConnection.connect(
            self._dsn.reveal(),
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=math.ceil(self._timeout),
            client_encoding="UTF8",
            fallback_application_name="postroad",
            **added,
        )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding not in {"UTF8", None}:
            raise Unfit(f"the database's encoding is {encoding}; Postroad needs one whose encoding is UTF8")
        await migrate(connection, self._schema)
        return connection

    async def _insert(self, connection: AsyncConnection[Any], rows: Sequence[Columns]) -> Sequence[SendResult]:
        try:
            async with self._transaction(connection):
                await self._fill(connection, rows)
        except psycopg.Error as error:
            if not _is_of_the_data(error):
                raise
        else:
            return [Delivered()] * len(rows)
        async with self._transaction(connection):
            return await self._sift(connection, rows)

    async def _sift(self, connection: AsyncConnection[Any], rows: Sequence[Columns]) -> Sequence[SendResult]:
        """Insert what can be inserted: halves, and theirs, until the refused ones are alone."""
        try:
            async with connection.transaction():
                await self._fill(connection, rows)
        except psycopg.Error as error:
            if not _is_of_the_data(error):
                raise
            if len(rows) == 1:
                return [failures.refused(self._words(error))]
            half = len(rows) // 2
            first = await self._sift(connection, rows[:half])
            return [*first, *await self._sift(connection, rows[half:])]
        return [Delivered()] * len(rows)

    async def _fill(self, connection: AsyncConnection[Any], rows: Sequence[Columns]) -> None:
        # In a thread: thousands of rows would hold up every other destination on the loop.
        for table, statement, document in await asyncio.to_thread(inserts, self._schema, rows):
            self._table = f"the table {self._schema}.{table}"
            await connection.execute(statement.encode(), [document])
        self._table = ""

    @asynccontextmanager
    async def _transaction(self, connection: AsyncConnection[Any]) -> AsyncIterator[None]:
        """A transaction that the server ends by itself when we are gone: it may hold locks."""
        most = str(math.ceil(self._timeout * 1000))
        async with connection.transaction():
            await connection.execute(
                "SELECT set_config('statement_timeout', %s, true),"
                " set_config('idle_in_transaction_session_timeout', %s, true)",
                [most, most],
            )
            yield

    def _words(self, error: psycopg.Error) -> str:
        said = error.diag.message_primary or str(error)
        for secret in self._hidden:
            said = said.replace(secret, MASK)
        return said


def _is_of_the_data(error: psycopg.Error) -> bool:
    # The driver's own errors (it can't write a value) have no SQLSTATE.
    return failures.is_of_the_data(error.sqlstate) or (error.sqlstate is None and isinstance(error, psycopg.DataError))
