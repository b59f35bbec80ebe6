"""Where files are put, whole or not at all; here a local folder (storage is in `bucket`)."""

import asyncio
import errno
import os
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from postroad.destinations.base import Delivered, Pause, Retry, SendResult
from postroad.storage.files import create_private, sync_folder, write_all

# What no amount of waiting cures.
_LASTING: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST})


class FileStore(Protocol):
    """A place that files are put in. Made inside a running event loop."""

    name: str
    """For messages."""

    async def put(self, path: str, data: bytes) -> SendResult:
        """Write a file, over one of the same path; it is durable when this returns `Delivered`."""
        ...

    async def close(self) -> None:
        """Let connections go. Safe to call twice."""
        ...


class Folder:
    """A local folder; made when it is missing, and only its owner may read what is made (0700, 0600).

    `thread` does all that can hang with the disk.
    """

    def __init__(self, root: Path, thread: Executor) -> None:
        self.name = str(root)
        self._root = root
        self._thread = thread

    async def put(self, path: str, data: bytes) -> SendResult:
        """Write beside it, fsync, rename."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _put, self._root / path, data)

    async def close(self) -> None:
        """Nothing is open between two files."""


def _put(target: Path, data: bytes) -> SendResult:
    draft = target.with_name(f".{target.name}.tmp")
    try:
        _make(target.parent)
        try:
            _write(draft, data)
            draft.replace(target)
        except OSError:
            with suppress(OSError):
                draft.unlink()
            raise
        sync_folder(target.parent)
    except OSError as error:
        why = f"{target} could not be written: {error.strerror or error}"
        return Pause(why) if error.errno in _LASTING else Retry(why)
    return Delivered()


def _make(folder: Path) -> None:
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def _write(path: Path, data: bytes) -> None:
    handle = create_private(path)
    try:
        write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
