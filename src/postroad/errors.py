"""Every error Postroad raises on purpose, named by what happens next.

    PostroadError
    ├── ConfigError          the operator edits the configuration; nothing was started
    ├── UsageError           the caller of a command asked for something that does not exist
    └── StoreError           a file under the data folder could not be used
        ├── StoreUnavailable   try again later: disk full, read-only, failing; heals without a restart
        ├── StoreBusy          try again later: more unwritten bytes than the queue may hold
        ├── StoreDamaged       bytes are not what was written; what is around them can be read
        ├── StoreLocked        another process is the writer; stop that one first
        └── StoreVersion       the file was written by a newer Postroad; upgrade

An exception that is not in this tree is a bug.
"""

from collections.abc import Sequence


class PostroadError(Exception):
    """The base of every deliberate error; `str()` is a sentence for a person."""


class ConfigError(PostroadError):
    """The configuration cannot be used. `problems` has one sentence per fault, each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class UsageError(PostroadError):
    """A command was given something that does not exist or does not fit; the sentence says what would."""


class StoreError(PostroadError):
    """A file of the data folder cannot be used."""


class StoreUnavailable(StoreError):
    """The store cannot write now. Nothing of the call was kept; the same call may succeed later."""


class StoreBusy(StoreUnavailable):
    """The queue of unwritten bytes is full. Nothing of the call was kept."""


class StoreDamaged(StoreError):
    """A part of a file is not what was written there. Trying again does not help; going around it does."""


class StoreLocked(StoreError):
    """Another process holds the writer's lock of this store."""


class StoreVersion(StoreError):
    """The store's format is newer than this program knows."""
