"""The parquet destination: files in a local folder or in S3-compatible storage, for every tool that reads a lake.

    region=us/event=email_bounced/day=2026-11-23/<first offset>-<last offset>-<digest>.parquet

`event` is the table of an email event (see `postroad.destinations.warehouse.columns`) and the type of any other call
(`track`, `identify`, …); `day` is the day of receipt in UTC. As in Hive, `region` and the day are in the path and
not in the file; its metadata repeats the region. The columns are those of the postgres destination, and `body` is
the event as it is, byte for byte.

Exactly once: batches are frozen, and a file's name comes from nothing but the events in it, so a batch
that is sent again writes the same files over themselves. A replay is another batch: it writes files of its own,
and a reader who wants each event once takes one row for each (region, source, message_id).

A file appears whole or not at all: local ones are fsynced under another name (it starts with a dot) and then
renamed; objects are. The place is the operator's own, so `allow_private` is not asked.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Meta

from postroad.destinations.base import (
    BatchLimits,
    Delivered,
    EmailEvents,
    Event,
    Refused,
    Retry,
    SendResult,
    Surroundings,
)
from postroad.destinations.http.client import Url
from postroad.destinations.parquet.bucket import Bucket
from postroad.destinations.parquet.names import ParquetFile, files_of
from postroad.destinations.parquet.places import FileStore, Folder
from postroad.destinations.warehouse.columns import Columns, columns_or_refusal, email_events
from postroad.secret import Secret

if TYPE_CHECKING:
    from obstore.store import S3Config


class Parquet:
    """Writes events as Parquet files."""

    batch: ClassVar[BatchLimits] = BatchLimits(max_events=10_000, max_bytes=32 * 1024 * 1024, linger=60.0, frozen=True)
    email_events: ClassVar[EmailEvents] = email_events("message_id")

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Its settings."""

        url: Annotated[
            str,
            Meta(
                description="A folder, `file:///…` or `s3://bucket/prefix`; by default the folder `<id>` in the "
                "region's data folder."
            ),
        ] = ""
        s3_region: Annotated[str, Meta(description="The storage's region; by default that of the environment.")] = ""
        s3_endpoint: Annotated[
            str, Meta(description="Where the storage is when it isn't AWS: `https://minio.example.com:9000`.")
        ] = ""
        s3_access_key_id: Annotated[
            Secret | None, Meta(description="With its secret; by default what the environment or the machine has.")
        ] = None
        s3_secret_access_key: Annotated[Secret | None, Meta(description="The secret of the access key.")] = None

        def __post_init__(self) -> None:
            """Refuse what can't work: another kind of place, half a key, or a missing extra."""
            scheme, rest = _split(self.url)
            _check(scheme, rest)
            if scheme != "s3" and any((self.s3_region, self.s3_endpoint, self.s3_access_key_id)):
                raise ValueError("url: is a folder, but there are settings for S3; write s3://bucket/prefix")
            if self.s3_endpoint and not self.s3_endpoint.startswith(("https://", "http://")):
                raise ValueError("s3_endpoint: must start with https:// or http://")
            if self.s3_endpoint:
                try:
                    Url(self.s3_endpoint)
                except ValueError as error:
                    raise ValueError(f"s3_endpoint: {error}") from None
            if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
                raise ValueError("s3_access_key_id: needs s3_secret_access_key, and the other way round")
            if find_spec("pyarrow") is None or find_spec("obstore") is None:
                raise ValueError("type: needs packages that are not installed; install postroad[parquet]")

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        # One thread of its own: a disk that hangs holds up nobody else.
        self._thread = ThreadPoolExecutor(1, f"parquet-{surroundings.id}")
        self._place = _place(settings, surroundings, self._thread)
        self._clock = surroundings.clock
        self._timeout = surroundings.timeout
        self._written: set[str] = set()

    def takes(self, event: Event) -> bool:  # noqa: ARG002 -- the port's signature
        """Every event has a partition."""
        return True

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """Write a file for each partition that the batch touches, one after the other."""
        read, files = await asyncio.get_running_loop().run_in_executor(self._thread, _read, events)
        deadline = self._clock.monotonic() + self._timeout
        outcomes = {file.path: await self._put(file, deadline) for file in files}
        if all(isinstance(outcome, Delivered) for outcome in outcomes.values()):
            self._written -= outcomes.keys()
        of_row = {id(row): outcomes[file.path] for file in files for row in file.rows}
        return [of_row[id(one)] if isinstance(one, Columns) else one for one in read]

    async def close(self) -> None:
        """Finish what is being written. Safe to call twice."""
        await asyncio.to_thread(self._thread.shutdown)
        await self._place.close()

    async def _put(self, file: ParquetFile, deadline: float) -> SendResult:
        # Not here for speed: a batch that never fits into the time would begin at its first file for ever.
        if file.path in self._written:
            return Delivered()
        if self._clock.monotonic() > deadline:
            return Retry(f"{self._place.name} took longer than {self._timeout:g} s for the files before")
        data = await asyncio.get_running_loop().run_in_executor(self._thread, _encoded, file.rows)
        outcome = await self._place.put(file.path, data)
        if isinstance(outcome, Delivered):
            self._written.add(file.path)
        return outcome


def _read(events: Sequence[Event]) -> tuple[Sequence[Columns | Refused], Sequence[ParquetFile]]:
    read = [columns_or_refusal(event) for event in events]
    return read, files_of([one for one in read if isinstance(one, Columns)])


def _encoded(rows: Sequence[Columns]) -> bytes:
    # Only now: it is slow to import, and commands that only read the settings do without.
    from postroad.destinations.parquet.encoding import encode  # noqa: PLC0415

    return encode(rows)


def _place(settings: Parquet.Settings, surroundings: Surroundings, thread: Executor) -> FileStore:
    scheme, rest = _split(settings.url)
    if scheme != "s3":
        return Folder(Path(rest) if rest else surroundings.folder / surroundings.id, thread)
    bucket, _, prefix = rest.partition("/")
    options: S3Config = {}
    if settings.s3_region:
        options["region"] = settings.s3_region
    if settings.s3_endpoint:
        options["endpoint"] = settings.s3_endpoint
    if settings.s3_access_key_id is not None and settings.s3_secret_access_key is not None:
        options["access_key_id"] = settings.s3_access_key_id.reveal()
        options["secret_access_key"] = settings.s3_secret_access_key.reveal()
    return Bucket(bucket, prefix.strip("/"), options, surroundings)


def _check(scheme: str, rest: str) -> None:
    """Refuse a `url` that is no place."""
    bucket, _, prefix = rest.partition("/")
    folders = prefix.strip("/").split("/")
    if scheme not in {"", "file", "s3"}:
        raise ValueError("url: must be a folder, file:///folder or s3://bucket/prefix")
    if scheme == "file" and not rest.startswith("/"):
        raise ValueError("url: has a host; a local folder is written file:///folder, with three slashes")
    if scheme == "s3" and not bucket:
        raise ValueError("url: has no bucket; write s3://bucket/prefix")
    if scheme == "s3" and (not prefix.isprintable() or {".", ".."} & {*folders} or "" in folders[1:]):
        raise ValueError("url: has a prefix that can't be used: an empty part, `.`, `..` or a control character")


def _split(url: str) -> tuple[str, str]:
    if "://" not in url:
        return "", url
    parts = urlsplit(url)
    return parts.scheme, unquote(parts.netloc + parts.path) if parts.scheme == "file" else parts.netloc + parts.path
