"""A file of whole lines that is appended to, rotated, and survives what others do to it.

Only its owner may read it (0600), and no symbolic link is followed to it. One process writes it at a time: a lock says
so. A file that was renamed or removed underneath (logrotate) is noticed before the next append and made anew.
"""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from postroad.clock import MICROSECONDS, Clock, iso
from postroad.destinations.file.whole_lines import cut_torn_lines
from postroad.storage.files import sync_folder, write_all

_MOST: Final = 0o640
"""What a file that was there before may let people do."""


class LineFile:
    """One file at `path`; opened by the first append. Not for several threads at once.

    Before a file would outgrow `rotate_bytes` it is renamed to `<name>.<UTC time><suffix>`, which sorts by
    age; of those the newest `keep` stay, all when that is 0. One append is never spread over two files.
    """

    def __init__(self, path: Path, *, rotate_bytes: int, keep: int, clock: Clock) -> None:
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._clock = clock
        self._handle: int | None = None

    def append(self, lines: bytes) -> None:
        """Write whole lines and fsync. Raises `OSError`, and then they are cut off again as far as the disk lets us."""
        handle = self._current()
        size = os.fstat(handle).st_size
        if size and size + len(lines) > self._rotate_bytes:
            self._rotate()
            handle = self._current()
            size = os.fstat(handle).st_size
        try:
            write_all(handle, lines)
            os.fsync(handle)
        except OSError:
            # After a failed fsync nobody knows what is on disk: cut, and start from a fresh look at it.
            try:
                os.ftruncate(handle, size)
            finally:
                self.close()
            raise
        if not os.fstat(handle).st_nlink:
            raise FileNotFoundError(None, "it was removed while it was written")

    def close(self) -> None:
        """Close the file. Safe to call twice; the next append opens it again."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def aside(self) -> Sequence[tuple[int, Path]]:
        """Return the files put aside with their times, the oldest first."""
        name = re.compile(rf"{re.escape(self._path.stem)}\.(.{{22}}){re.escape(self._path.suffix)}")
        found = (
            (_time_of(match[1]), match.string)
            for path in self._path.parent.iterdir()
            if (match := name.fullmatch(path.name))
        )
        return sorted((at, self._path.with_name(string)) for at, string in found if at is not None)

    def _current(self) -> int:
        if self._handle is not None and self._moved(self._handle):
            self.close()
        if self._handle is None:
            self._handle = _open(self._path)
            if self._moved(self._handle):  # cutting it has put a new file in its place
                self.close()
                self._handle = _open(self._path)
        return self._handle

    def _moved(self, handle: int) -> bool:
        ours = os.fstat(handle)
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return True
        return (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino)

    def _rotate(self) -> None:
        aside = self.aside()
        # Later than every other, even if the clock went back: the order of the names is the order of the lines.
        at = max([self._clock.now(), *(newest + 1000 for newest, _ in aside[-1:])])
        self._path.rename(self._path.with_name(f"{self._path.stem}.{_name_of(at)}{self._path.suffix}"))
        self.close()
        for _, path in self.aside()[: -self._keep] if self._keep else ():
            path.unlink(missing_ok=True)
        sync_folder(self._path.parent)


def _name_of(at: int) -> str:
    return iso(at).replace(":", "")


def _time_of(name: str) -> int | None:
    try:
        return round(datetime.strptime(name, "%Y-%m-%dT%H%M%S.%fZ").replace(tzinfo=UTC).timestamp() * MICROSECONDS)
    except ValueError:
        return None


def _claim(handle: int, path: Path) -> None:
    """Refuse an open file that others decide about, and take what they may do with it from them; the group may read."""
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise FileExistsError(None, "it is not a regular file")
    if os.geteuid() not in {0, found.st_uid}:
        raise PermissionError(None, f"it belongs to another user (uid {found.st_uid}), who could read the events")
    if found.st_mode & ~_MOST & 0o777:
        os.fchmod(handle, found.st_mode & _MOST)
        structlog.get_logger("postroad.destinations").warning(
            "others could read or write a file of events, and can't any more; its group may read if you let it",
            file=str(path),
            was=f"{stat.S_IMODE(found.st_mode):o}",
        )


def _open(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise FileExistsError(None, "it is a symbolic link, and none is followed; name the file itself") from None
    try:
        _claim(handle, path)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        cut = cut_torn_lines(handle, path)
        sync_folder(path.parent)
    except BlockingIOError:
        os.close(handle)
        raise BlockingIOError(None, "another process or destination writes to it") from None
    except OSError:
        os.close(handle)
        raise
    if cut:
        structlog.get_logger("postroad.destinations").warning(
            "what is no whole line was cut off a file: it was being written when the machine or we stopped, and is"
            " written again",
            file=str(path),
            bytes=cut,
        )
    return handle
