"""`ends.json`: where a log begins and ends, kept outside of its segments, so that segments that go are missed.

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
    """Write the file of a log's folder, whole and durable on return. Raises `StoreUnavailable`."""
    path, said = folder / NAME, msgspec.json.encode(ends._asdict())
    text = msgspec.json.encode(_File(msgspec.Raw(said), crc32(said))).decode()
    try:
        write_private(path, text)
    except OSError as error:
        if error.errno != ENOSPC or not path.exists():
            raise StoreUnavailable(f"{path}: {error.strerror}") from error
        _overwrite(path, text.encode())


def read_ends(folder: Path) -> Ends | None:
    """Return what the file of a log's folder says; None when it is not there or damaged."""
    try:
        found = msgspec.json.decode((folder / NAME).read_bytes(), type=_File)
        said = bytes(found.ends)
        if found.check != crc32(said):
            return None
        figures = msgspec.json.decode(said, type=dict[str, str | int])
        return msgspec.convert([figures[name] for name in Ends._fields], Ends)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        return None


class EndsFile:
    """Reads the file again only when it has changed. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[int, int, int] | None = None
        self._ends: Ends | None = None

    def read(self) -> Ends | None:
        """Return what the file says now."""
        try:
            found = os.stat(self._folder / NAME)  # noqa: PTH116 - a third of the time of Path.stat
        except OSError:
            self._seen, self._ends = None, None
            return None
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen != self._seen:
            self._ends = read_ends(self._folder)
            self._seen = seen
        return self._ends


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
