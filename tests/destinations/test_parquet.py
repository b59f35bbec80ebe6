"""The parquet destination: names, settings, and real files in a folder and in a bucket."""

import errno
import json
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import postgres_server
import pytest
import s3_server
from s3_server import S3Server

import postroad.destinations.parquet as module
from postroad.clock import MICROSECONDS, ManualClock
from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Event, Pause, Refused, Retry, Surroundings
from postroad.destinations.parquet import Parquet
from postroad.destinations.parquet.names import files_of
from postroad.destinations.warehouse.columns import TABLES, columns_of
from postroad.errors import ConfigError
from postroad.registry import settings_of
from postroad.testing.events import RECEIVED_AT, call, email_event, every_email_event, plain_track

DAY = 86_400 * MICROSECONDS
KEYS = {"s3_access_key_id": "the-key", "s3_secret_access_key": "hunter2"}


def settings(**raw: object) -> Any:
    """Return checked settings."""
    return settings_of("parquet", raw, "destinations.d")


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the settings believe that the extra is there, wherever the tests run."""
    monkeypatch.setattr(module, "find_spec", lambda _: object())


def opened(*offsets: int, **changes: Any) -> list[Event]:
    """Return Email Opened events with ids of their own."""
    return [email_event(Kind.OPENED)._replace(offset=offset, message_id=f"m{offset}", **changes) for offset in offsets]


def names(*events: Event) -> list[str]:
    """Return the files that a batch goes into."""
    return [file.path for file in files_of([columns_of(event) for event in events])]


def test_a_batch_has_a_file_a_partition() -> None:
    """Events are parted by region, event and day of receipt, and stay in order inside."""
    late = email_event(Kind.OPENED)._replace(received_at=RECEIVED_AT + DAY)
    batch = [*opened(1, 2), late, plain_track(), *opened(3, region="eu")]
    folders = [path.rpartition("/")[0] for path in names(*batch)]
    assert folders == [
        "region=us/event=email_opened/day=2024-01-15",
        "region=us/event=email_opened/day=2024-01-16",
        "region=us/event=track/day=2024-01-15",
        "region=eu/event=email_opened/day=2024-01-15",
    ]
    assert [row.log_offset for row in files_of([columns_of(event) for event in batch])[0].rows] == [1, 2]


def test_a_name_is_the_same_for_the_same_events() -> None:
    """A name tells the offsets and comes from nothing but the events: never from the time of writing."""
    assert names(*opened(7, 2, 1 << 62)) == names(*opened(7, 2, 1 << 62))
    assert names(*opened(7, 2, 9)) == [
        "region=us/event=email_opened/day=2024-01-15/00000000000000000002-00000000000000000009-3848036990a857f2.parquet"
    ]


def test_other_events_have_another_name() -> None:
    """Another member in between, another order, and the same offsets of a log set up anew are other files."""
    batches = [opened(1, 2, 9), opened(1, 3, 9), opened(1, 9), opened(2, 1, 9), opened(1, 2, 9, source="b")]
    anew = [event._replace(message_id=f"new-{event.message_id}") for event in batches[0]]
    assert len({path for batch in [*batches, anew] for path in names(*batch)}) == 6


def test_batches_are_frozen() -> None:
    """The engine must repeat a batch exactly: the names depend on it."""
    assert Parquet.batch.frozen


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"url": "gs://bucket"}, "url: must be a folder, file:///folder or s3://bucket/prefix"),
        ({"url": "file://host/folder"}, "url: has a host"),
        ({"url": "s3://"}, "url: has no bucket"),
        ({"url": "s3:///prefix"}, "url: has no bucket"),
        ({"url": "/folder", "s3_region": "us-east-1"}, "url: is a folder"),
        ({"url": "s3://b", "s3_endpoint": "minio:9000"}, "s3_endpoint: must start with"),
        ({"url": "s3://b", "s3_endpoint": "http://2130706433"}, "s3_endpoint: has no host, or an IP address in an"),
        ({"url": "s3://b/a//c"}, "url: has a prefix that can't be used"),
        ({"url": "s3://b/a/../c"}, "url: has a prefix that can't be used"),
        ({"url": "s3://b/a\x7f"}, "url: has a prefix that can't be used"),
        ({"url": "file://"}, "url: has a host"),
        ({"url": "s3://b", "s3_access_key_id": "k"}, "s3_access_key_id: needs s3_secret_access_key"),
        ({"url": "s3://b", "s3_secret_access_key": "hunter2"}, "s3_access_key_id: needs s3_secret_access_key"),
    ],
)
@pytest.mark.usefixtures("there")
def test_settings_that_cannot_work_are_refused(raw: dict[str, object], problem: str) -> None:
    """What can't work is refused by name, without a secret."""
    with pytest.raises(ConfigError) as caught:
        settings(**raw)
    assert str(caught.value).startswith(f"destinations.d.{problem}")
    assert "hunter2" not in str(caught.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its packages the configuration is refused with the extra that brings them."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        settings()
    assert str(caught.value) == (
        "destinations.d.type: needs packages that are not installed; install postroad[parquet]"
    )


@pytest.mark.usefixtures("there")
def test_the_keys_never_show() -> None:
    """Neither half of the access key is in the settings as they print."""
    shown = repr(settings(url="s3://b/p", **KEYS))
    assert "the-key" not in shown
    assert "hunter2" not in shown


@pytest.fixture
async def make(surroundings: Surroundings) -> AsyncIterator[Callable[..., Parquet]]:
    """Make destinations that are closed after the test."""
    postgres_server.require("pyarrow", "obstore")
    made: list[Parquet] = []

    def make(**raw: object) -> Parquet:
        made.append(Parquet(settings(**raw), surroundings))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture(scope="module")
def storage() -> Iterator[S3Server]:
    """A server of storage."""
    with s3_server.running() as server:
        yield server


Make = Callable[..., Parquet]


def files(root: Path) -> list[Path]:
    """Return all files below a folder."""
    return sorted(path for path in root.rglob("*") if path.is_file())


def rows(path: Path) -> Sequence[dict[str, Any]]:
    """Return the rows of a file, as every reader sees them: with what the path says."""
    import pyarrow.parquet as pq  # noqa: PLC0415 -- only those who run the full tests have it

    return pq.read_table(path).to_pylist()


@pytest.mark.full
@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
async def test_the_file_of_each_event_is_golden(
    kind: Kind, make: Make, tmp_path: Path, golden: Callable[[str, bytes], None]
) -> None:
    """Each email event is one typed row in its own partition."""
    assert await make().send([email_event(kind)]) == [Delivered()]
    (path,) = files(tmp_path)
    found = {"path": str(path.relative_to(tmp_path)), "rows": rows(path)}
    golden(f"parquet/{kind.name.lower()}.json", json.dumps(found, indent=2, default=str).encode() + b"\n")


@pytest.mark.full
async def test_a_batch_again_changes_nothing(make: Make, tmp_path: Path) -> None:
    """A batch that is sent again, by another process too, leaves the same files with the same bytes."""
    batch = every_email_event()
    await make().send(batch)
    before = {path: path.read_bytes() for path in files(tmp_path)}
    assert await make().send(batch) == [Delivered()] * len(batch)
    assert {path: path.read_bytes() for path in files(tmp_path)} == before
    assert len(before) == len(batch)


@pytest.mark.full
@pytest.mark.parametrize("form", ["{}", "file://{}"])
async def test_the_files_are_private_and_folders_made(make: Make, tmp_path: Path, form: str) -> None:
    """Folders are made and, like the files, for their owner only; nothing is left beside them."""
    place = tmp_path / "a lake" / "deep"
    await make(url=form.format(place)).send(opened(1))
    (path,) = files(tmp_path)
    assert path.is_relative_to(place)
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(place.stat().st_mode)) == (0o600, 0o700)


@pytest.mark.full
@pytest.mark.parametrize("call_", ["write", "fsync", "replace"])
async def test_a_full_disk_leaves_nothing_half_done(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_: str
) -> None:
    """When the disk is full the batch is to be retried, nothing of it stays, and it heals by itself."""
    destination = make()

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path if call_ == "replace" else os, call_, fails)
        (outcome,) = await destination.send(opened(1))
    assert isinstance(outcome, Retry)
    assert outcome.why.endswith("could not be written: No space left on device")
    assert files(tmp_path) == []
    assert await destination.send(opened(1)) == [Delivered()]


@pytest.mark.full
async def test_a_file_is_on_disk_before_it_has_its_name(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is fsynced, then renamed, then its folder is fsynced: a power cut leaves it whole or not at all."""
    calls: list[str] = []
    destination = make()
    await destination.send(opened(1))
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(Path, "replace", lambda path, to: (calls.append("replace"), replace(path, to))[1])
    await destination.send(opened(2))
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.full
@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
async def test_a_place_that_must_not_be_written_pauses(make: Make, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """A read-only disk or a folder of somebody else pauses the destination."""

    def fails(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    destination = make()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fails)
        (outcome,) = await destination.send(opened(1))
    assert isinstance(outcome, Pause)
    assert outcome.why.endswith(f"could not be written: {os.strerror(error)}")


@pytest.mark.full
async def test_a_partition_that_fails_holds_up_only_its_events(make: Make, tmp_path: Path) -> None:
    """Of a batch, the events whose files could be written are delivered; the whole batch again repairs it."""
    destination, batch = make(), every_email_event()
    blocked = tmp_path / "crm" / "region=us" / "event=email_opened"
    blocked.parent.mkdir(parents=True)
    blocked.write_bytes(b"")
    outcomes = await destination.send(batch)
    assert [isinstance(outcome, Pause) for outcome in outcomes] == [event.kind is Kind.OPENED for event in batch]
    blocked.unlink()
    assert await destination.send(batch) == [Delivered()] * len(batch)
    assert len(files(tmp_path)) == len(batch)


@pytest.mark.full
async def test_a_body_that_is_no_json_is_refused_alone(make: Make, tmp_path: Path) -> None:
    """What a transform broke does not hold up the others."""
    first, second, third = opened(1, 2, 3)
    outcomes = await make().send([first, second._replace(body=b"{"), third])
    assert [type(outcome) for outcome in outcomes] == [Delivered, Refused, Delivered]
    (path,) = files(tmp_path)
    assert [row["message_id"] for row in rows(path)] == ["m1", "m3"]


@pytest.mark.full
async def test_a_batch_that_takes_too_long_goes_on_where_it_was(
    make: Make, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that do not fit into the time are retried, and a retry does not begin with those that are done."""
    destination, batch, real = make(), every_email_event(), Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: (clock.advance(3), real(path, to))[1])
    counts = []
    while len(counts) < 10:
        outcomes = await destination.send(batch)
        counts.append(outcomes.count(Delivered()))
        if counts[-1] == len(batch):
            break
    assert counts == [*range(2, len(batch), 2), len(batch)]
    assert len(files(tmp_path)) == len(batch)


@pytest.mark.full
async def test_all_calls_of_a_day_are_read_as_one_table(make: Make, tmp_path: Path) -> None:
    """The folder is a dataset: readers find region, event and day in the paths and every row once."""
    import pyarrow.dataset as ds  # noqa: PLC0415 -- only those who run the full tests have it

    await make().send([*every_email_event(), plain_track()])
    table = ds.dataset(tmp_path / "crm", partitioning="hive").to_table()
    assert sorted(table["event"].to_pylist()) == sorted([*TABLES.values(), "track"])
    assert set(table["region"].to_pylist()) == {"us"}
    assert set(table["day"].to_pylist()) == {"2024-01-15"}


@pytest.mark.full
async def test_a_bucket_gets_the_same_files(make: Make, storage: S3Server, tmp_path: Path) -> None:
    """In a bucket, below its prefix, there are the very files that a folder would have, also after a repetition."""
    await storage.make_bucket("same")
    batch = [*every_email_event(), *opened(*range(100, 200))]
    await make().send(batch)
    for _ in range(2):
        bucket = make(url="s3://same/a/lake/", **storage.settings)
        assert await bucket.send(batch) == [Delivered()] * len(batch)
    store, root = storage.store("same"), tmp_path / "crm"
    found = {one["path"]: bytes(store.get(one["path"]).bytes()) for one in store.list().collect()}
    assert found == {f"a/lake/{path.relative_to(root)}": path.read_bytes() for path in files(root)}


@pytest.mark.full
async def test_many_days_and_long_bodies_are_one_batch(make: Make, tmp_path: Path) -> None:
    """A large batch over many days comes back whole, in order, with every body byte for byte."""
    batch = [
        call("track", {"event": "E", "properties": {"n": "🐢" * 1000}}, message_id=f"m{n}", offset=n)._replace(
            received_at=RECEIVED_AT + n % 10 * DAY
        )
        for n in range(1000)
    ]
    assert await make().send(batch) == [Delivered()] * 1000
    found = {row["log_offset"]: row["body"].encode() for path in files(tmp_path) for row in rows(path)}
    assert found == {event.offset: event.body for event in batch}
    assert len(files(tmp_path)) == 10
