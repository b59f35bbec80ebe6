"""Every built-in destination does what every destination must do."""

import asyncio
import gzip
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import postgres_server
import pytest
import s3_server
from msgspec import Raw
from postgres_server import PostgresServer
from s3_server import S3Server

from postroad.clock import ManualClock, iso
from postroad.destinations.base import Destination, Event, Surroundings
from postroad.destinations.console import Console
from postroad.destinations.customerio import Customerio
from postroad.destinations.file import File
from postroad.destinations.mixpanel import Mixpanel
from postroad.destinations.mixpanel.event import insert_id
from postroad.destinations.parquet import Parquet
from postroad.destinations.postgres import Postgres
from postroad.destinations.printable import printable
from postroad.destinations.segment import Segment
from postroad.destinations.segment import message_id as segment_id
from postroad.destinations.signed import webhook_id
from postroad.destinations.webhook import Webhook
from postroad.destinations.webhook_batch import WebhookBatch
from postroad.registry import DESTINATIONS, load, settings_of
from postroad.testing.destinations import Arrival, DestinationConformance
from postroad.testing.events import RECEIVED_AT
from postroad.testing.receiver import Receiver, answer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class ConsoleHarness:
    """The far side is a list of lines."""

    type = Console
    secrets: Sequence[str] = ()

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.broken = False
        self.surroundings = Surroundings("d", "us", folder, ManualClock(), 5.0, True, self.write)  # noqa: FBT003

    def write(self, line: str) -> None:
        """Take a line, or fail as a closed terminal does."""
        if self.broken:
            raise BrokenPipeError(32, "Broken pipe")
        self.lines.append(line)

    def raw(self) -> Mapping[str, object]:
        """Return the settings as the configuration has them."""
        return {}

    def settings(self) -> Any:
        """Return the checked settings."""
        name = next(name for name in DESTINATIONS if load(name) is self.type)
        return settings_of(name, self.raw(), "destinations.d")

    async def start(self) -> Destination:
        """Make it."""
        return self.type(self.settings(), self.surroundings)

    async def arrived(self) -> Sequence[Arrival]:
        """Return the id of each line; what is printed of a body is for people."""
        return [Arrival(line.split("  ")[2], None) for line in self.lines]

    async def fail(self) -> None:
        """Close the terminal."""
        self.broken = True

    async def heal(self) -> None:
        """Open it again."""
        self.broken = False

    async def stop(self) -> None:
        """Nothing to let go."""

    def message_id(self, event: Event) -> str:
        """Expect the id as it can be printed."""
        return printable(event.message_id)


class FileHarness(ConsoleHarness):
    """The far side is a file; it fails by a folder in its place."""

    type = File

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.surroundings.folder / "d.ndjson"

    async def arrived(self) -> Sequence[Arrival]:
        """Return the lines of the file."""
        parts = [line.partition(b',"postroad":') for line in self.path.read_bytes().splitlines()]
        return [
            Arrival(json.loads(facts.removesuffix(b"}"))["messageId"], body.removeprefix(b'{"event":'))
            for body, _, facts in parts
        ]

    async def fail(self) -> None:
        """Put a folder where the file was."""
        self.path.mkdir()

    async def heal(self) -> None:
        """Take it away."""
        self.path.rmdir()

    def message_id(self, event: Event) -> str:
        """Expect the id as it is."""
        return event.message_id


class WebhookHarness(ConsoleHarness):
    """The far side is a real HTTP server."""

    type = Webhook
    secrets = (SECRET, "hunter2", "query")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.receiver = Receiver()

    def raw(self) -> Mapping[str, object]:
        """Return settings with a secret in every place."""
        headers = {"Authorization": "Bearer hunter2"}
        return {"url": f"{self.receiver.url}?token=query", "secret": SECRET, "headers": headers}

    async def start(self) -> Destination:
        """Start the server too."""
        await self.receiver.start()
        return await super().start()

    async def arrived(self) -> Sequence[Arrival]:
        """Return the requests."""
        return [Arrival(request.headers["webhook-id"], request.body) for request in self.receiver.requests]

    async def fail(self) -> None:
        """Answer 500 and echo the request."""
        self.receiver.behaviour = answer(500, f"{SECRET} Bearer hunter2 token=query".encode())

    async def heal(self) -> None:
        """Answer 200."""
        self.receiver.behaviour = answer(200)

    async def stop(self) -> None:
        """Stop the server."""
        await self.receiver.stop()

    def message_id(self, event: Event) -> str:
        """Expect the id as a header carries it."""
        return webhook_id(event.message_id)


class WebhookBatchHarness(WebhookHarness):
    """The far side gets batches."""

    type = WebhookBatch

    async def arrived(self) -> Sequence[Arrival]:
        """Return the members of all batches."""
        calls = [call for request in self.receiver.requests for call in members(request.body)]
        return [Arrival(json.loads(call)["messageId"], call) for call in calls]

    def message_id(self, event: Event) -> str:
        """Expect the id in the member itself."""
        return event.message_id


class CustomerioHarness(WebhookBatchHarness):
    """The far side is a Pipelines API."""

    type = Customerio
    secrets = ("hunter2", "aHVudGVyMjo=", "query")

    def raw(self) -> Mapping[str, object]:
        """Return settings with a secret in every place."""
        return {"url": f"{self.receiver.url}?token=query", "write_key": "hunter2"}

    async def arrived(self) -> Sequence[Arrival]:
        """Return the calls with what another hop has said of them put back."""
        return [Arrival(one.message_id, self.completed(one.body or b"")) for one in await super().arrived()]

    async def fail(self) -> None:
        """Answer 500 and echo the request."""
        self.receiver.behaviour = answer(500, b"Basic aHVudGVyMjo= hunter2 token=query")

    @staticmethod
    def completed(call: bytes) -> bytes:
        """Put the time of receipt back."""
        found = msgspec.json.decode(call, type=dict[str, Raw])
        return msgspec.json.encode(found | {"receivedAt": iso(RECEIVED_AT)})


class SegmentHarness(CustomerioHarness):
    """The far side is Segment."""

    type = Segment

    async def arrived(self) -> Sequence[Arrival]:
        """Return the calls; those with a digest for an id have a body of their own."""
        return [
            Arrival(one.message_id, None if len(one.message_id) == 64 else one.body) for one in await super().arrived()
        ]

    @staticmethod
    def completed(call: bytes) -> bytes:
        """Put the event's own name back, too."""
        named = call.replace(b'"event":"Unsubscribed"', b'"event":"Email Unsubscribed"')
        return CustomerioHarness.completed(named)

    def message_id(self, event: Event) -> str:
        """Expect an id of at most 100 characters."""
        return segment_id(event.message_id)


class MixpanelHarness(CustomerioHarness):
    """The far side counts what it imports, as Mixpanel does."""

    type = Mixpanel

    def raw(self) -> Mapping[str, object]:
        """Return settings with a secret in every place."""
        return {"url": f"{self.receiver.url}?token=query", "project_token": "hunter2"}

    async def start(self) -> Destination:
        """Start the server with its own answer."""
        await self.heal()
        return await super().start()

    async def arrived(self) -> Sequence[Arrival]:
        """Return the events; none of them looks like the call it was."""
        events = [event for request in self.receiver.requests for event in json.loads(gzip.decompress(request.body))]
        return [Arrival(event["properties"]["$insert_id"], None) for event in events]

    async def heal(self) -> None:
        """Import everything."""

        async def import_all(writer: asyncio.StreamWriter) -> None:
            events = json.loads(gzip.decompress(self.receiver.requests[-1].body))
            await answer(200, b'{"code":200,"num_records_imported":%d,"status":"OK"}' % len(events))(writer)

        self.receiver.behaviour = import_all

    def message_id(self, event: Event) -> str:
        """Expect the id as Mixpanel takes it."""
        return insert_id(event.message_id)


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


class TestConsole(DestinationConformance):
    """The console."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        self.harness = ConsoleHarness(tmp_path)


class TestFile(DestinationConformance):
    """The file."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        self.harness = FileHarness(tmp_path)


class TestWebhook(DestinationConformance):
    """The webhook."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        self.harness = WebhookHarness(tmp_path)


class TestWebhookBatch(DestinationConformance):
    """The webhook that gets batches."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        self.harness = WebhookBatchHarness(tmp_path)


class TestCustomerio(DestinationConformance):
    """Customer.io."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        self.harness = CustomerioHarness(tmp_path)


class TestSegment(DestinationConformance):
    """Segment."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        self.harness = SegmentHarness(tmp_path)


class TestMixpanel(DestinationConformance):
    """Mixpanel."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        self.harness = MixpanelHarness(tmp_path)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    with postgres_server.running() as server:
        yield server


@pytest.fixture(scope="module")
def storage() -> Iterator[S3Server]:
    """A server of storage."""
    with s3_server.running() as server:
        yield server


@pytest.mark.full
class TestPostgres(DestinationConformance):
    """PostgreSQL."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path, postgres: PostgresServer) -> None:
        """Bring the harness."""
        self.harness = PostgresHarness(tmp_path, postgres)


@pytest.mark.full
class TestParquet(DestinationConformance):
    """Parquet files in a folder."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        postgres_server.require("pyarrow", "obstore")
        self.harness = ParquetHarness(tmp_path)


@pytest.mark.full
class TestParquetBucket(DestinationConformance):
    """Parquet files in a bucket."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path, storage: S3Server) -> None:
        """Bring the harness."""
        self.harness = ParquetBucketHarness(tmp_path, storage)


def members(body: bytes) -> Sequence[bytes]:
    """Return the members of a batch, byte for byte."""
    batch: dict[str, Raw] = msgspec.json.decode(body, type=dict[str, Raw])
    return [bytes(member) for member in msgspec.json.decode(batch["batch"], type=list[Raw])]


def test_every_built_in_is_tested() -> None:
    """A new line in the registry's table needs a harness here."""
    tested = {ConsoleHarness.type, FileHarness.type, WebhookHarness.type, WebhookBatchHarness.type}
    tested |= {CustomerioHarness.type, MixpanelHarness.type, SegmentHarness.type}
    tested |= {PostgresHarness.type, ParquetHarness.type}
    assert {load(name) for name in DESTINATIONS} == tested
