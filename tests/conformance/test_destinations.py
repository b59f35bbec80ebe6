"""Every built-in destination does what every destination must do."""

from collections.abc import Iterator
from pathlib import Path

import postgres_server
import pytest
import s3_server
from harnesses import (
    ConsoleHarness,
    CustomerioHarness,
    FileHarness,
    MixpanelHarness,
    SegmentHarness,
    WebhookBatchHarness,
    WebhookHarness,
)
from postgres_server import PostgresServer
from s3_server import S3Server
from warehouses import ParquetBucketHarness, ParquetHarness, PostgresHarness

from postroad.registry import DESTINATIONS, load
from postroad.testing.destinations import DestinationConformance


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


def test_every_built_in_is_tested() -> None:
    """A new line in the registry's table needs a harness here."""
    tested = {ConsoleHarness.type, FileHarness.type, WebhookHarness.type, WebhookBatchHarness.type}
    tested |= {CustomerioHarness.type, MixpanelHarness.type, SegmentHarness.type}
    tested |= {PostgresHarness.type, ParquetHarness.type}
    assert {load(name) for name in DESTINATIONS} == tested
