"""The far sides of the warehouses, for the conformance suite: a real PostgreSQL, a folder, a real bucket."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import postgres_server
import s3_server
from harnesses import ConsoleHarness
from postgres_server import PostgresServer
from s3_server import S3Server

from postroad.destinations.base import Destination, Event
from postroad.destinations.parquet import Parquet
from postroad.destinations.postgres import Postgres
from postroad.testing.destinations import Arrival


class PostgresHarness(ConsoleHarness):
    """The far side is a database of its own on a real server."""

    type = Postgres
    secrets = (postgres_server.PASSWORD,)
    numbers = itertools.count()

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        super().__init__(folder)
        self.server = server
        self.database = f"conformance_{next(self.numbers)}"
        server.execute(f"CREATE DATABASE {self.database}")

    def raw(self) -> Mapping[str, object]:
        """Return settings with the password."""
        return {"dsn": self.server.dsn(self.database)}

    async def arrived(self) -> Sequence[Arrival]:
        """Return the rows, in the order in which they lie in the table."""
        query = "SELECT message_id, coalesce(body_text, body::text) FROM postroad.events ORDER BY ctid"
        rows = self.server.execute(query, database=self.database)
        return [Arrival(message_id, body.encode()) for message_id, body in rows]

    async def fail(self) -> None:
        """Let nobody in, and those out who are."""
        self.server.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS false")
        self.server.disconnect(self.database)

    async def heal(self) -> None:
        """Let everybody in again."""
        self.server.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS true")

    def message_id(self, event: Event) -> str:
        """Expect the id as it is."""
        return event.message_id


class ParquetHarness(ConsoleHarness):
    """The far side is a folder; it fails by a file in its place."""

    type = Parquet

    @property
    def path(self) -> Path:
        """Where the folder is."""
        return self.surroundings.folder / "d"

    async def files(self) -> Sequence[bytes]:
        """Return the files."""
        return [path.read_bytes() for path in self.path.rglob("*.parquet")]

    async def arrived(self) -> Sequence[Arrival]:
        """Return the rows of the files, as the log has them: files written together have no order of their own."""
        import pyarrow as pa  # noqa: PLC0415 -- only those who run the full tests have it
        import pyarrow.parquet as pq  # noqa: PLC0415

        rows = [row for file in await self.files() for row in pq.read_table(pa.BufferReader(file)).to_pylist()]
        rows.sort(key=lambda row: row["log_offset"])
        return [Arrival(row["message_id"], row["body"].encode()) for row in rows]

    async def fail(self) -> None:
        """Put a file where the folder was."""
        self.path.write_bytes(b"")

    async def heal(self) -> None:
        """Take it away."""
        self.path.unlink()

    def message_id(self, event: Event) -> str:
        """Expect the id as it is."""
        return event.message_id


class ParquetBucketHarness(ParquetHarness):
    """The far side is a bucket; it fails by not being there."""

    secrets = (s3_server.KEY, s3_server.SECRET)
    numbers = itertools.count()

    def __init__(self, folder: Path, server: S3Server) -> None:
        super().__init__(folder)
        self.server = server
        self.bucket = f"conformance-{next(self.numbers)}"

    def raw(self) -> Mapping[str, object]:
        """Return settings with the key."""
        return {"url": f"s3://{self.bucket}/lake", **self.server.settings}

    async def start(self) -> Destination:
        """Make the bucket too."""
        await self.server.make_bucket(self.bucket)
        return await super().start()

    async def files(self) -> Sequence[bytes]:
        """Return the objects."""
        store = self.server.store(self.bucket)
        return [bytes(store.get(one["path"]).bytes()) for one in store.list().collect()]

    async def fail(self) -> None:
        """Remove it."""
        await self.server.remove_bucket(self.bucket)

    async def heal(self) -> None:
        """Make it again."""
        await self.server.make_bucket(self.bucket)
