"""Making the tables in PostgreSQL and bringing older ones up to date, under a lock that all of ours take."""

import itertools
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from postroad.destinations.postgres.tables import VERSION_TABLE, migrations


class Unfit(Exception):
    """This database can't be used as it is; `str()` says why."""


async def migrate(connection: AsyncConnection[Any], schema: str) -> None:
    """Make what is missing in the schema, itself included. With nothing to do it needs no right to make anything.

    Raises `Unfit` when a newer Postroad was here, `psycopg.Error` when the database refuses.
    """
    steps = migrations(schema)
    version = await _version(connection, schema)
    if version > len(steps):
        raise Unfit(
            f"the tables in schema {schema!r} have version {version}, this Postroad knows up to {len(steps)}; "
            "upgrade Postroad"
        )
    if version < len(steps):
        await _run(connection, schema, steps)


async def make_again(connection: AsyncConnection[Any], schema: str) -> None:
    """Make tables that were dropped underneath us; the others stay as they are. Raises `psycopg.Error`."""
    await _run(connection, schema, migrations(schema))


async def _version(connection: AsyncConnection[Any], schema: str) -> int:
    table = f'"{schema}"."{VERSION_TABLE}"'
    there = await (await connection.execute("SELECT to_regclass(%s)", [table])).fetchone()
    if there is None or there[0] is None:
        return 0
    statement = f"SELECT coalesce(max(version), 0) FROM {table}".encode()  # noqa: S608 -- a name of ours
    found = await (await connection.execute(statement)).fetchone()
    return int(found[0]) if found is not None else 0


async def _run(connection: AsyncConnection[Any], schema: str, steps: Sequence[Sequence[str]]) -> None:
    table = f'"{schema}"."{VERSION_TABLE}"'
    made = f"CREATE TABLE IF NOT EXISTS {table} (version integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"
    note = f"INSERT INTO {table} (version) VALUES ({len(steps)}) ON CONFLICT DO NOTHING"  # noqa: S608 -- a name of ours
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [table])
        there = await connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema])
        if await there.fetchone() is None:  # IF NOT EXISTS would ask for the right to make it all the same
            await connection.execute(f'CREATE SCHEMA "{schema}"'.encode())
        for statement in (made, *itertools.chain(*steps), note):
            await connection.execute(statement.encode())
