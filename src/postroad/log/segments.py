"""The files of a log: one SQLite file a segment, named by the first block number that it may hold.

    REGION/log/writer.lock
    REGION/log/000000000000000.db      a sealed segment
    REGION/log/000000000004821.db      the newest, which is written

Table `block` has a row a group commit. Its counters are totals of the whole log up to and with that block,
and `meta` has what they were when the segment was begun, so older segments can go without a trace.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from postroad.errors import StoreError, StoreUnavailable
from postroad.log.base import offset_of

KIND = "log"
FORMAT = 1

_SUFFIX = ".db"
_COMPANIONS = ("-wal", "-shm")

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    """CREATE TABLE block (
        number INTEGER PRIMARY KEY,
        appended_at INTEGER NOT NULL, -- microseconds; never lower than the block before
        count INTEGER NOT NULL,       -- records of this block
        appended INTEGER NOT NULL,    -- records of the log up to and with this block
        duplicates INTEGER NOT NULL,  -- repeated entries that were answered, up to and with this block
        hashes BLOB NOT NULL,         -- 8 bytes a record, little-endian: the hash of its key
        body BLOB NOT NULL            -- see codec.py
    )""",
)


class Segment(NamedTuple):
    """One file of the log; `first` is the lowest block number that it may hold."""

    first: int
    path: Path


class Tail(NamedTuple):
    """Where the log ended when this was the newest segment.

    `following` is the number after the last block's. `last` is the offset of the last record, -1 when the
    segment has none; `last_at` is when it was appended, or the same of the segment before.
    """

    following: int
    appended: int
    duplicates: int
    last: int
    last_at: int


NOTHING = Tail(following=0, appended=0, duplicates=0, last=-1, last_at=0)


class Head(NamedTuple):
    """The first block of a segment: its number, how many records the log had got before it, and when it came."""

    number: int
    before: int
    at: int


def list_segments(folder: Path) -> list[Segment]:
    """Return the segments there are, oldest first; none when there is no folder."""
    try:
        names = [path for path in folder.iterdir() if path.suffix == _SUFFIX and path.stem.isdigit()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreUnavailable(f"{folder}: {error.strerror}") from error
    return sorted(Segment(int(path.stem), path) for path in names)


def segment_at(folder: Path, first: int) -> Segment:
    """Return the segment that begins with block `first`, made or not."""
    return Segment(first, folder / f"{first:015d}{_SUFFIX}")


def remove_segment(segment: Segment) -> None:
    """Remove a segment with its companions; what is gone already is fine."""
    for path in (segment.path, *_companions(segment)):
        path.unlink(missing_ok=True)


def size_of(segment: Segment) -> int:
    """Return the bytes of a segment on disk, its write-ahead log included."""
    size = 0
    for path in (segment.path, *_companions(segment)):
        try:
            size += path.stat().st_size
        except FileNotFoundError:
            continue
    return size


def wal_size(segment: Segment) -> int:
    """Return the bytes that lie in a segment's write-ahead log."""
    try:
        return segment.path.with_name(f"{segment.path.name}-wal").stat().st_size
    except OSError:
        return 0


def create_tables(db: sqlite3.Connection, tail: Tail, at: int) -> None:
    """Make an empty file a segment that goes on where `tail` ended; whole or not at all."""
    meta = {
        "kind": KIND,
        "format": FORMAT,
        "appended": tail.appended,
        "duplicates": tail.duplicates,
        "last_at": tail.last_at,
        "created_at": at,
    }
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in _SCHEMA:
            db.execute(statement)
        db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def read_meta(db: sqlite3.Connection) -> dict[str, int]:
    """Return the figures of a segment's `meta` table."""
    return dict(db.execute("SELECT key, value FROM meta WHERE key <> 'kind'"))


def read_tail(db: sqlite3.Connection, segment: Segment) -> Tail:
    """Return where the log ended with this segment."""
    meta = read_meta(db)
    row = db.execute(
        "SELECT number, count, appended, duplicates, appended_at FROM block ORDER BY number DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return Tail(segment.first, meta["appended"], meta["duplicates"], -1, meta["last_at"])
    number, count, appended, duplicates, last_at = row
    # `meta` is ahead when the last groups had nothing but duplicates.
    return Tail(number + 1, appended, max(duplicates, meta["duplicates"]), offset_of(number, count - 1), last_at)


def read_head(db: sqlite3.Connection) -> Head | None:
    """Return the first block of a segment, None when it has none."""
    row = db.execute("SELECT number, appended - count, appended_at FROM block ORDER BY number LIMIT 1").fetchone()
    return None if row is None else Head(*row)


def search(db: sqlite3.Connection, column: Literal["appended", "appended_at"], least: int) -> int | None:
    """Return the number of the first block whose `column` is at least `least`, None when there is none.

    Both columns only grow, so this looks at a few blocks and not at all of them.
    """
    low, high = db.execute("SELECT min(number), max(number) FROM block").fetchone()
    if low is None:
        return None
    found: int | None = None
    query = f"SELECT number, {column} FROM block WHERE number >= ? ORDER BY number LIMIT 1"  # noqa: S608 - a Literal
    while low <= high:
        number, value = db.execute(query, ((low + high) // 2,)).fetchone()
        if value >= least:
            found = number
            high = (low + high) // 2 - 1
        else:
            low = number + 1
    return found


@contextmanager
def failures_of(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file they come from."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{path}: {error}") from error
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error


def _companions(segment: Segment) -> list[Path]:
    return [segment.path.with_name(segment.path.name + ending) for ending in _COMPANIONS]
