"""The files of a log: one SQLite file a segment, named by the first block number that it may hold.

REGION/log/writer.lock
REGION/log/ends.json                     where the log begins and ends; see ends.py
REGION/log/000000000000000.db            a sealed segment
REGION/log/000000000004821.db            the newest, which is written
REGION/log/000000000000711.db.damaged    one that was the newest and could not be read; nobody looks at it again
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from postroad.errors import StoreDamaged, StoreUnavailable
from postroad.storage.files import sync_folder

_SUFFIX = ".db"
_COMPANIONS = ("-wal", "-shm")
_DAMAGED = ".damaged"
_SETTLED: Final = 100_000_000
"""Nanoseconds, of the file system's clock, after which a change shows: it stands still for 10 ms at most."""

# What SQLite calls an operational error and does not heal: a table or column that is gone, a file cut short.
_BROKEN: Final = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR_SHORT_READ}


class SegmentFile(NamedTuple):
    """One file of the log; `first` is the lowest block number that it may hold."""

    first: int
    path: Path


def list_segments(folder: Path) -> list[SegmentFile]:
    """Return the segments there are, oldest first; none when there is no folder."""
    try:
        names = [path for path in folder.iterdir() if path.suffix == _SUFFIX and path.stem.isdigit()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreUnavailable(f"{folder}: {error.strerror}") from error
    return sorted(SegmentFile(int(path.stem), path) for path in names)


def stamp_of(folder: Path) -> int | None:
    """Return what is another whenever a file of the folder has come or gone since; None while it could do so unseen: a
    file system's clock stands still for some milliseconds.
    """
    try:
        changed = folder.stat().st_mtime_ns
    except OSError:
        return None
    now = time.time_ns()  # noqa: TID251  # the file system's clock, whatever ours is
    return changed if now - changed > _SETTLED else None


def segment_at(folder: Path, first: int) -> SegmentFile:
    """Return the segment that begins with block `first`, made or not."""
    return SegmentFile(first, folder / f"{first:015d}{_SUFFIX}")


def remove_segment(segment: SegmentFile) -> None:
    """Remove a segment with its companions; what is gone already is fine."""
    for path in (segment.path, *_companions(segment)):
        path.unlink(missing_ok=True)


def set_aside(segment: SegmentFile) -> Path:
    """Rename a segment and its companions so that it is none any more, durably; returns its new path."""
    aside = segment.path.with_name(segment.path.name + _DAMAGED)
    for ending in (*_COMPANIONS, ""):  # the file itself last: until it has gone this can be done again
        path = segment.path.with_name(segment.path.name + ending)
        if path.exists():
            path.rename(aside.with_name(aside.name + ending))
    sync_folder(segment.path.parent)
    return aside


def size_of(segment: SegmentFile) -> int:
    """Return the bytes of a segment on disk, its write-ahead log included."""
    size = 0
    for path in (segment.path, *_companions(segment)):
        try:
            size += path.stat().st_size
        except FileNotFoundError:
            continue
    return size


def wal_size(segment: SegmentFile) -> int:
    """Return the bytes that lie in a segment's write-ahead log."""
    try:
        return segment.path.with_name(f"{segment.path.name}-wal").stat().st_size
    except OSError:
        return 0


def is_damage(error: Exception) -> bool:
    """Tell whether an error is SQLite's for what is wrong in the file, and will be."""
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) in _BROKEN
    return isinstance(error, (sqlite3.Error, StoreDamaged))


@contextmanager
def failures_of(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file they come from: `StoreDamaged` for what SQLite finds wrong in the
    file, `StoreUnavailable` for the rest.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise (StoreDamaged if is_damage(error) else StoreUnavailable)(f"{path}: {error}") from error
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error


def _companions(segment: SegmentFile) -> list[Path]:
    return [segment.path.with_name(segment.path.name + ending) for ending in _COMPANIONS]
