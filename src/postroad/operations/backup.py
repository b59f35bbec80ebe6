"""A copy of the data folder of a running server from which a server can start, and whose books balance.

The order makes it consistent. The ledger is copied first: it may know less than the log, which only means that
some events are delivered again, and never more. Then the log, the oldest segment first: what retention removes
meanwhile is missing at its beginning only, and what comes meanwhile at its end. Then everything else, as the
rejections and what destinations wrote into the folder: a file that is ahead of the ledger has events that will come
twice, never too few.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from postroad.errors import StoreError, StoreUnavailable, UsageError
from postroad.regions import copy_stores
from postroad.storage import files
from postroad.storage.copying import Copying, Tell
from postroad.storage.layout import RegionFiles, region_files

MARKER: Final = "FORMAT"
"""A folder's format; while a copy is being made it says that the folder is not whole, and no server starts there."""

_LOOKS: Final = 3
_LEFT_OUT: Final = (".db-wal", ".db-shm", ".lock", ".new")
_RUN: Final = "run"


class Copied(msgspec.Struct, frozen=True):
    """A backup: where it is, and what it has in files and bytes."""

    folder: str
    files: int
    bytes: int


async def backup(data_dir: Path, target: Path, tell: Tell) -> Copied:
    """Copy a data folder to `target`, which must be empty or not there, and return when it is durable.

    Raises `UsageError` for a target that can't be used, `StoreError` when there is no data folder or something can't be
    read or written; what is in the target then is no data folder.
    """
    _claim(data_dir, target)
    copy = Copying(_size_of(data_dir), tell)
    try:
        files.write_private(target / MARKER, "an unfinished backup\n")
        for name in _folders(data_dir):
            await _copy_region(region_files(data_dir, name), region_files(target, name), copy)
        await asyncio.to_thread(_copy_others, data_dir, target, copy)
        files.write_private(target / MARKER, (data_dir / MARKER).read_text())
    except asyncio.CancelledError:
        copy.stopped = True
        raise
    except OSError as error:
        raise StoreUnavailable(f"{error.filename or target}: {error.strerror}") from error
    return Copied(str(target), copy.files, copy.size)


def _claim(data_dir: Path, target: Path) -> None:
    if not data_dir.is_dir():
        raise StoreUnavailable(f"there is no data folder {data_dir}; `postroad serve` makes it")
    if target.resolve().is_relative_to(data_dir.resolve()):
        raise UsageError(f"{target} is inside the data folder; give a folder outside of it")
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise UsageError(f"{target} is not empty; give a folder that is, or one that is not there yet")
    except OSError as error:
        raise UsageError(f"{target}: {error.strerror}") from error


def _folders(data_dir: Path) -> Sequence[str]:
    """Return the names of what may be regions, those that are no longer configured too."""
    return sorted(path.name for path in data_dir.iterdir() if path.is_dir() and path.name != _RUN)


async def _copy_region(source: RegionFiles, target: RegionFiles, copy: Copying) -> None:
    target.folder.mkdir(mode=0o700)
    for _ in range(_LOOKS):
        if await copy_stores(source, target, copy):
            return
        shutil.rmtree(target.folder)
        target.folder.mkdir(mode=0o700)
    raise StoreError("retention kept removing events while they were being copied; ask again")


def _copy_others(data_dir: Path, target: Path, copy: Copying) -> None:
    for path in _others(data_dir):
        goal = target / path.relative_to(data_dir)
        if goal.exists():
            continue
        for folder in reversed(goal.relative_to(target).parents[:-1]):
            (target / folder).mkdir(mode=0o700, exist_ok=True)
        if path.suffix == ".db":
            copy.database(path, goal)
            continue
        try:
            copy.file(path, goal)
        except FileNotFoundError:
            goal.unlink(missing_ok=True)  # a destination renamed or removed its own file meanwhile
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        files.sync_folder(folder)


def _others(data_dir: Path) -> Iterator[Path]:
    """Yield the files that are no part of a log, no locks, and not what a running process tells of itself."""
    logs = {region_files(data_dir, folder.name).log for folder in data_dir.iterdir()}
    for folder, names, found in os.walk(data_dir):
        here = Path(folder)
        names[:] = [name for name in names if here / name not in logs and here / name != data_dir / _RUN]
        for name in sorted(found):
            if (here / name).is_file() and not name.endswith(_LEFT_OUT):
                yield here / name


def _size_of(data_dir: Path) -> int:
    total = 0
    for path in (*_others(data_dir), *data_dir.glob("*/log/*.db")):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
