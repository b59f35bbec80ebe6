"""Where files are put, whole or not at all: a local folder, or a bucket of S3-compatible storage. Both block."""

import errno
import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from postroad.destinations.base import Delivered, Outcome, Pause, Retry
from postroad.destinations.printable import printable
from postroad.files import sync_folder, write_all
from postroad.secret import MASK

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

# What no amount of waiting cures.
_LASTING: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST})
_LONGEST: Final = 500


class Place(Protocol):
    """A place that files are put in."""

    name: str
    """For messages."""

    def put(self, path: str, data: bytes) -> Outcome:
        """Write a file, over one of the same path; it is durable when this returns `Delivered`."""
        ...


class Folder:
    """A local folder; made when it is missing, and only its owner may read what is made (0700, 0600)."""

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = root

    def put(self, path: str, data: bytes) -> Outcome:
        """Write beside it, fsync, rename."""
        target = self._root / path
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


class Bucket:
    """A bucket, with `prefix` in front of every key. `options` are obstore's."""

    def __init__(self, bucket: str, prefix: str, options: "S3Config", timeout: float) -> None:
        self.name = f"s3://{bucket}"
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._options = options
        self._timeout = timedelta(seconds=timeout)
        self._hidden = [text for text in (options.get("access_key_id"), options.get("secret_access_key")) if text]
        self._store: S3Store | None = None

    def put(self, path: str, data: bytes) -> Outcome:
        """Put an object; large ones in parts, which become an object together."""
        import obstore  # noqa: PLC0415 -- only those with a bucket need it
        from obstore.exceptions import (  # noqa: PLC0415
            BaseError,
            NotFoundError,
            PermissionDeniedError,
            UnauthenticatedError,
        )

        try:
            self._store = self._store or self._open()
            obstore.put(self._store, self._prefix + path, data)
        except (PermissionDeniedError, UnauthenticatedError) as error:
            return Pause(f"{self.name} does not let us write: {self._words(error)}")
        except (NotFoundError, FileNotFoundError) as error:  # which one depends on what was not found
            return Pause(f"{self.name} is not there: {self._words(error)}")
        except (BaseError, OSError) as error:
            return Retry(f"{self.name} could not be written: {self._words(error)}")
        return Delivered()

    def _open(self) -> "S3Store":
        from obstore.store import S3Store  # noqa: PLC0415

        return S3Store(
            self._bucket,
            config=self._options,
            client_options={
                "timeout": self._timeout,
                "connect_timeout": self._timeout,
                "allow_http": (self._options.get("endpoint") or "").startswith("http://"),
            },
            # The delivery engine does that, and says so.
            retry_config={"max_retries": 0, "retry_timeout": self._timeout},
        )

    def _words(self, error: Exception) -> str:
        said = " ".join(str(error).partition("\n\nDebug source:")[0].split())
        for secret in self._hidden:
            said = said.replace(secret, MASK)
        return printable(said)[:_LONGEST]


def _make(folder: Path) -> None:
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
