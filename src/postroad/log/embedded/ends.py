"""`ends.json`: where a log begins and ends, kept outside of its segments, so that segments that go are missed.

It is written twice, into the log's folder and beside it (`log-ends.json`): the one that knows of more counts, so that
neither a damaged file nor an older copy of the whole folder hides what is gone.

    {"ends": {"identity": "…", "epoch": 1, "first": 0, …}, "check": 123456789}

`check` is the CRC-32 of the compact JSON of `ends`: what it says of a damaged file would raise or hide an alarm.
"""

import os
from errno import ENOSPC
from pathlib import Path
from zlib import crc32

import msgspec

from postroad.errors import StoreUnavailable
from postroad.log.base import Ends
from postroad.storage.files import write_all, write_private

NAME = "ends.json"


class _File(msgspec.Struct, frozen=True):
    ends: msgspec.Raw
    check: int


def write_ends(folder: Path, ends: Ends) -> None:
    """Write both files of a log's folder, whole and durable on return. Raises `StoreUnavailable`."""
    said = msgspec.json.encode(ends._asdict())
    text = msgspec.json.encode(_File(msgspec.Raw(said), crc32(said))).decode()
    for path in files_of(folder):
        try:
            write_private(path, text)
        except OSError as error:
            if error.errno != ENOSPC or not path.exists():
                raise StoreUnavailable(f"{path}: {error.strerror}") from error
            _overwrite(path, text.encode())


def files_of(folder: Path) -> tuple[Path, Path]:
    """Return where both files of a log's folder are."""
    return folder / NAME, folder.with_name(f"{folder.name}-{NAME}")


def read_ends(folder: Path) -> Ends | None:
    """Return what the files of a log's folder say; None when neither is there and whole."""
    inside, beside = map(_read, files_of(folder))
    if inside is None or beside is None:
        return inside or beside
    knows_more = (beside.epoch, beside.following) > (inside.epoch, inside.following)
    return beside if knows_more and beside.identity == inside.identity else inside


def _read(path: Path) -> Ends | None:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
        said = bytes(found.ends)
        if found.check != crc32(said):
            return None
        figures = msgspec.json.decode(said, type=dict[str, str | int])
        return msgspec.convert([figures[name] for name in Ends._fields], Ends)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        return None


class EndsFile:
    """Reads the files again only when they have changed. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = files_of(folder)
        self._seen: list[tuple[int, int, int] | None] = [None, None]
        self._ends: Ends | None = None

    def read(self) -> Ends | None:
        """Return what the files say now."""
        seen = [_look_of(path) for path in self._files]
        if seen != self._seen:
            self._ends = read_ends(self._folder)
            self._seen = seen
        return self._ends


def _look_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a third of the time of Path.stat
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _overwrite(path: Path, data: bytes) -> None:
    """Write a file in its place, for a full disk, where retention must go on: `check` tells when that is torn."""
    try:
        handle = os.open(path, os.O_WRONLY)
        try:
            write_all(handle, data)
            os.ftruncate(handle, len(data))
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error
