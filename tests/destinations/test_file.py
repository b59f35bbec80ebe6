"""The file destination keeps whole lines, whatever happens to its file."""

import asyncio
import errno
import json
import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from postroad.clock import ManualClock
from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Event, Pause, Retry, SendResult, Surroundings
from postroad.destinations.file import File, line
from postroad.testing.events import email_event, every_email_event, unusual_events

Make = Callable[..., File]


@pytest.fixture
async def make(surroundings: Surroundings) -> AsyncIterator[Make]:
    """Make file destinations that are closed after the test."""
    made: list[File] = []

    def build(**settings: Any) -> File:
        made.append(File(File.Settings(**settings), surroundings))
        return made[-1]

    yield build
    for file in made:
        await file.close()


def opened(offset: int = 1) -> Event:
    """Return one small event."""
    return email_event(Kind.OPENED)._replace(offset=offset)


def offsets(path: Path) -> list[int]:
    """Return the offsets in a file, checking that every line is whole."""
    text = path.read_bytes()
    assert text == b"" or text.endswith(b"\n")
    return [json.loads(entry)["postroad"]["offset"] for entry in text.splitlines()]


def put_aside(folder: Path) -> list[Path]:
    """Return the files that rotation put aside, by name."""
    return sorted(folder.glob("crm.2*.ndjson"))


async def sent(file: File, *events: Event) -> SendResult:
    """Send a batch whose events share one outcome."""
    outcomes = await file.send(events)
    assert len(outcomes) == len(events)
    assert len(set(outcomes)) == 1
    return outcomes[0]


@pytest.mark.parametrize("kind", Kind)
def test_the_line_of_each_event_is_golden(kind: Kind, golden: Callable[[str, bytes], None]) -> None:
    """Each email event becomes exactly the recorded line."""
    golden(f"file/{kind.name.lower()}.ndjson", line(email_event(kind)))


def test_a_line_is_the_event_and_our_facts() -> None:
    """The body is there digit for digit and the facts stand apart, on one line whatever the body's layout."""
    event = unusual_events()[1]
    written = line(event)
    assert written.count(b"\n") == 1
    assert b"\r" not in written
    assert b'"exact":123456789012345678901234567890,"tiny":1.0e-7' in written
    read = json.loads(written)
    assert read["event"] == json.loads(event.body)
    assert read["postroad"] == {
        "region": "us",
        "source": "app",
        "offset": 1 << 40,
        "receivedAt": "2024-01-15T10:30:05.000Z",
        "messageId": event.message_id,
        "kind": None,
        "violations": list(event.violations),
        "schema": 1,
    }


async def test_delivered_means_fsynced(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is on disk, by one fsync after its last byte, before any of it counts as delivered."""
    calls: list[tuple[str, int]] = []
    real_write, real_fsync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda fd, data: (calls.append(("write", fd)), real_write(fd, data))[1])
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(("fsync", fd)), real_fsync(fd))[1])
    file = make()
    await sent(file, opened(1))
    del calls[:]
    assert isinstance(await sent(file, opened(2), opened(3), opened(4)), Delivered)
    assert [name for name, _ in calls] == ["write", "fsync"]
    assert offsets(tmp_path / "crm.ndjson") == [1, 2, 3, 4]


async def test_the_file_is_private_and_its_folder_made(make: Make, tmp_path: Path) -> None:
    """A file in a new folder is made for its owner only."""
    path = tmp_path / "new" / "deep" / "events.ndjson"
    await sent(make(path=str(path)), opened())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("torn", [b'{"event":{"a":', b"x" * 200_000, b"\x00" * 4096])
@pytest.mark.parametrize("whole", [0, 2])
async def test_a_torn_last_line_is_cut(make: Make, tmp_path: Path, whole: int, torn: bytes) -> None:
    """What a crash left of a last line goes when the file is opened, and nothing else does."""
    path = tmp_path / "crm.ndjson"
    kept = b"".join(line(opened(offset)) for offset in range(whole))
    path.write_bytes(kept + torn)
    await sent(make(), opened(7))
    assert offsets(path) == [*range(whole), 7]


HOLE = b"\x00" * 5000


def three_lines() -> bytes:
    """Return the lines of events 3 to 5."""
    return b"".join(line(opened(offset)) for offset in (3, 4, 5))


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        (HOLE + b"\n", []),
        (HOLE + three_lines()[-50:], []),
        (three_lines()[:100] + HOLE + three_lines()[-50:], []),
        (HOLE + three_lines()[-50:] + three_lines()[:100], []),
        (line(opened(3)) + HOLE + b"rest}\n" + line(opened(5)), [3, 5]),
        (line(opened(3)) + HOLE + b"rest}\n" + HOLE + b"\n" + line(opened(5)) + HOLE, [3, 5]),
    ],
)
async def test_what_a_power_cut_left_is_cut(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], left: bytes, kept: list[int]
) -> None:
    """Lines with bytes that were never written are cut, also with whole lines behind them, which stay; it is said."""
    path = tmp_path / "crm.ndjson"
    path.write_bytes(line(opened(1)) + line(opened(2)) + left)
    file = make()
    assert isinstance(await sent(file, opened(7)), Delivered)
    assert isinstance(await sent(file, opened(8)), Delivered)
    assert offsets(path) == [1, 2, *kept, 7, 8]
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or not kept
    assert f"bytes={len(left) - sum(len(line(opened(offset))) for offset in kept)}" in capsys.readouterr().out
    assert [found.name for found in tmp_path.iterdir()] == ["crm.ndjson"]


@pytest.mark.parametrize("call", ["write", "fsync"])
async def test_a_full_disk_leaves_no_half_line(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """When the disk is full the batch is to be retried, nothing of it stays, and it heals by itself."""
    file, path = make(), tmp_path / "crm.ndjson"
    await sent(file, opened(1))
    real, told = os.write, []

    def half(fd: int, data: bytes) -> int:
        if told:
            raise OSError(errno.ENOSPC, "No space left on device")
        told.append(real(fd, data[:100]))
        return told[0]

    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, half if call == "write" else fails)
        outcome = await sent(file, opened(2), opened(3))
    assert outcome == Retry(f"{path} could not be written: No space left on device")
    assert offsets(path) == [1]
    assert isinstance(await sent(file, opened(2), opened(3)), Delivered)
    assert offsets(path) == [1, 2, 3]


@pytest.mark.parametrize("moved", ["renamed", "removed", "replaced"])
async def test_a_file_moved_underneath_is_made_anew(make: Make, tmp_path: Path, moved: str) -> None:
    """A file that somebody renamed, removed or replaced (logrotate) is noticed before the next line."""
    file, path = make(), tmp_path / "crm.ndjson"
    await sent(file, opened(1))
    path.rename(tmp_path / "crm.ndjson.1")
    if moved == "removed":
        (tmp_path / "crm.ndjson.1").unlink()
    if moved == "replaced":
        path.write_bytes(line(opened(2)) + b"torn")
    await sent(file, opened(3))
    assert offsets(path) == ([2, 3] if moved == "replaced" else [3])


async def test_a_file_removed_while_it_is_written_is_written_again(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines that went into a file nobody can find any more do not count as delivered."""
    file, path = make(), tmp_path / "crm.ndjson"
    await sent(file, opened(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: path.unlink())
        outcome = await sent(file, opened(2))
    assert outcome == Retry(f"{path} could not be written: it was removed while it was written")
    assert isinstance(await sent(file, opened(2)), Delivered)
    assert offsets(path) == [2]


async def test_a_file_cut_underneath_is_appended_to(make: Make, tmp_path: Path) -> None:
    """A file that somebody truncated (copytruncate) goes on from where it is."""
    file, path = make(), tmp_path / "crm.ndjson"
    await sent(file, opened(1))
    os.truncate(path, 0)
    await sent(file, opened(2))
    assert offsets(path) == [2]


async def test_it_rotates_by_size(make: Make, tmp_path: Path, clock: ManualClock) -> None:
    """Before a file outgrows its limit it is put aside under a name that sorts by age; no batch is split."""
    size = len(line(opened()))
    file = make(rotate_bytes=2 * size)
    for offset in range(1, 6):
        await sent(file, opened(offset))
        clock.advance(1)
    await sent(file, opened(6), opened(7), opened(8))
    aside = put_aside(tmp_path)
    assert [path.name for path in aside] == [
        "crm.2023-11-14T221322.000Z.ndjson",
        "crm.2023-11-14T221324.000Z.ndjson",
        "crm.2023-11-14T221325.000Z.ndjson",
    ]
    assert [offsets(path) for path in aside] == [[1, 2], [3, 4], [5]]
    assert offsets(tmp_path / "crm.ndjson") == [6, 7, 8]


async def test_rotation_never_overwrites(make: Make, tmp_path: Path) -> None:
    """Two rotations in one millisecond have two names, in order."""
    file = make(rotate_bytes=1)
    for offset in range(1, 5):
        await sent(file, opened(offset))
    assert [offsets(path) for path in put_aside(tmp_path)] == [[1], [2], [3]]


async def test_names_stay_in_order_when_the_clock_goes_back(make: Make, tmp_path: Path, clock: ManualClock) -> None:
    """The order of the names is the order of the lines, whatever the clock does."""
    file = make(rotate_bytes=1, keep=2)
    for offset in range(1, 6):
        await sent(file, opened(offset))
        clock.advance(-3600)
    assert [offsets(path) for path in put_aside(tmp_path)] == [[3], [4]]


async def test_only_the_newest_are_kept(make: Make, tmp_path: Path) -> None:
    """Of the files put aside the newest stay, and no file of another name is touched."""
    others = [tmp_path / "crm.mine.ndjson", tmp_path / "crm.as-long-as-a-time-is-x.ndjson"]
    for other in others:
        other.write_text("keep me\n")
    file = make(rotate_bytes=1, keep=2)
    for offset in range(1, 6):
        await sent(file, opened(offset))
    assert [offsets(path) for path in put_aside(tmp_path)] == [[3], [4]]
    assert [other.read_text() for other in others] == ["keep me\n"] * 2


async def test_one_writer_a_file(make: Make, tmp_path: Path) -> None:
    """A second destination with the same file waits instead of cutting the first one's lines."""
    first, second, path = make(), make(), tmp_path / "crm.ndjson"
    await sent(first, opened(1))
    outcome = await sent(second, opened(2))
    assert outcome == Retry(f"{path} could not be written: another process or destination writes to it")
    await first.close()
    assert isinstance(await sent(second, opened(2)), Delivered)
    assert offsets(path) == [1, 2]


@pytest.mark.parametrize("there", ["folder", "pipe", "file for a folder"])
async def test_what_only_the_operator_can_cure_pauses(make: Make, tmp_path: Path, there: str) -> None:
    """A path that can never be written as a file pauses the destination and says why."""
    path = tmp_path / "crm.ndjson"
    if there == "folder":
        path.mkdir()
    elif there == "pipe":
        os.mkfifo(path)
    else:
        path.write_text("")
        path = path / "events.ndjson"
    outcome = await sent(make(path=str(path)), opened())
    assert isinstance(outcome, Pause)
    assert outcome.why.startswith(f"{path} could not be written: ")


async def test_no_link_is_followed(make: Make, tmp_path: Path) -> None:
    """Nothing is written to where a symbolic link leads, neither from the file's place nor from that of a draft."""
    victim, path = tmp_path / "victim", tmp_path / "crm.ndjson"
    victim.write_text("theirs")
    path.symlink_to(victim)
    said = f"{path} could not be written: it is a symbolic link, and none is followed; name the file itself"
    assert await sent(make(), opened()) == Pause(said)
    path.unlink()
    path.write_bytes(b"torn\0\n" + line(opened(1)))
    path.with_name("crm.ndjson.new").symlink_to(victim)
    assert isinstance(await sent(make(), opened(2)), Delivered)
    assert offsets(path) == [1, 2]
    assert victim.read_text() == "theirs"


async def test_others_may_not_read_a_file_that_was_there(make: Make, tmp_path: Path) -> None:
    """A file that everybody may read, or somebody else may write, is closed to them; the group may read if it could."""
    path = tmp_path / "crm.ndjson"
    for mode, kept in [(0o644, 0o640), (0o666, 0o640), (0o600, 0o600), (0o640, 0o640)]:
        path.touch()
        path.chmod(mode)
        file = make()
        assert isinstance(await sent(file, opened()), Delivered)
        await file.close()
        assert stat.S_IMODE(path.stat().st_mode) == kept


async def test_a_file_of_another_user(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that somebody else put there, and could read, pauses the destination."""
    path = tmp_path / "crm.ndjson"
    path.touch()
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    outcome = await sent(make(), opened())
    assert isinstance(outcome, Pause)
    assert "it belongs to another user" in outcome.why
    assert path.read_bytes() == b""


async def test_batches_sent_at_once_are_written_whole(make: Make, tmp_path: Path) -> None:
    """Concurrent batches, one of them cancelled, never mix their lines."""
    file = make()
    tasks = [asyncio.create_task(file.send(every_email_event())) for _ in range(10)]
    await asyncio.sleep(0)
    tasks[5].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await file.close()
    written = offsets(tmp_path / "crm.ndjson")
    assert len(written) >= 9 * len(Kind)
    assert written == sorted(Kind) * (len(written) // len(Kind))
