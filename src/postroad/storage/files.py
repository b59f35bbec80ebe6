"""Files under the data folder: private, locked, and each with the version of its format.

Every SQLite file of ours has a `meta` table with `format` (an integer) and `kind` (which of our files
it is). An older format is migrated by the store that owns it, a newer one is refused.
"""

import errno
import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from postroad.errors import StoreError, StoreLocked, StoreUnavailable, StoreVersion

FOLDER_FORMAT = 1

Connect = Callable[[Path], sqlite3.Connection]
"""Opens a SQLite file for writing: `connect_writer`, or what tests put in its place."""


def prepare_folder(path: Path) -> None:
    """Create the data folder (0700) with its `FORMAT` file, or check the one that is there.

    Raises `StoreVersion` when a newer Postroad wrote it and `StoreUnavailable` when it can't be made.
    """
    marker = path / "FORMAT"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not marker.exists():
            write_private(marker, f"{FOLDER_FORMAT}\n")
        found = int(marker.read_text().strip())
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{marker}: is not a format number; is this a Postroad data folder?") from error
    if found > FOLDER_FORMAT:
        raise StoreVersion(f"{path}: has format {found}, this Postroad knows up to {FOLDER_FORMAT}; upgrade Postroad")


def why_not_ours(found: os.stat_result, path: Path, user: int) -> str:
    """Say who but `user` (a number) decides what is in a file or a folder, with the remedy; nothing when nobody does.

    Root is trusted, and as root we take what others own: it may be an operator who looks at the server's folder.
    """
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write in {path}; run `chmod go-w {path}`, and look at what is there"
    if user and found.st_uid not in {0, user}:
        return f"{path} belongs to another user (uid {found.st_uid}); look at what is there, then `chown {user} {path}`"
    return ""


def create_private(path: Path) -> int:
    """Open a new file for writing, readable by its owner only, in place of what is there: a draft of ours that a crash
    left, or a link that somebody else put there. Raises `OSError`.
    """
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def write_private(path: Path, text: str) -> None:
    """Write a small file whole or not at all, readable by its owner only, and fsync it."""
    draft = path.with_name(path.name + ".new")
    handle = create_private(draft)
    try:
        write_all(handle, text.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.replace(path)
    sync_folder(path.parent)


def write_all(handle: int, data: bytes) -> None:
    """Write to an open file until nothing is left: the system may take less than it is given."""
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def sync_folder(path: Path) -> None:
    """Make file creations, renames and removals in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_bytes(path: Path) -> int:
    """Return the bytes an unprivileged process may still write on the disk that holds `path`."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


class Lock:
    """An exclusive lock on a file, held until `release` or the end of the process, kill -9 included."""

    def __init__(self, path: Path) -> None:
        """Take the lock; raises `StoreLocked` when another process holds it."""
        self._handle = _open_lock(path)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            raise StoreLocked(f"{path}: another Postroad process is writing here; stop it first") from error

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._handle)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
    return os.open(path, os.O_RDONLY)  # a disk that is read-only for now: who is the writer is settled all the same


def is_locked(path: Path) -> bool:
    """Tell whether a live process holds the lock on `path`."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def connect_writer(path: Path, factory: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """Open a SQLite file for the one process that writes it: WAL, every commit fsynced, autocommit.

    The file and its companions are made 0600. The connection may be used from any one thread at a time;
    it is a `factory`. Raises `sqlite3.Error` and `OSError`.
    """
    # Only when it is new: to close a second handle on a SQLite file drops this process's locks on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0, factory=factory)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a SQLite file that another process may be writing, for reading only.

    Raises `StoreUnavailable` when it isn't there.
    """
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        db.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path}: {error}") from error
    return db


class Identity(NamedTuple):
    """Which file it is that a path leads to: another one after it was put in place anew."""

    device: int
    inode: int


def identity_of(path: Path) -> Identity | None:
    """Return which file is there, None when there is none or nobody can tell."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Identity(found.st_dev, found.st_ino)


def is_writable(path: Path) -> bool:
    """Tell whether this process may write a file now. A reader that opened a SQLite file while it could not be
    written keeps every writer of the same process from it, also when it could be: it must not be kept open.
    """
    return os.access(path, os.W_OK)


def checkpoint(db: sqlite3.Connection) -> bool:
    """Move the write-ahead log into the file itself and leave it empty; False when a reader is in the way.

    Raises `sqlite3.Error`.
    """
    busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def check_format(db: sqlite3.Connection, path: Path, kind: str, known: int) -> int:
    """Return the format of an open file, 0 for a new one.

    Raises `StoreVersion` when it is newer than `known`, `StoreError` when it is another kind of file.
    """
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return 0
    if "meta" not in tables:
        raise StoreError(f"{path}: is not a Postroad {kind} file")
    meta = dict(db.execute("SELECT key, value FROM meta"))
    if meta.get("kind") != kind:
        raise StoreError(f"{path}: is a {meta.get('kind')} file, not a {kind} file")
    try:
        found = int(meta["format"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: does not say which format it has; is it damaged?") from error
    if found > known:
        raise StoreVersion(f"{path}: has format {found}, this Postroad knows up to {known}; upgrade Postroad")
    return found
