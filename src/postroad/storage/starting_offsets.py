"""The starting offset of each destination: it is owed events from there on. The ingest process writes it before it
takes the first one.

Accounts are opened by the delivery process, which may come up later than ingest, or much later. What was accepted
in between is owed all the same: the destination was configured when it came. One that is gone from the configuration
keeps its starting offset until it is abandoned.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from postroad.storage.files import write_private

_OFFSETS = msgspec.json.Decoder(dict[str, int])


def write_starting_offsets(
    path: Path, destinations: Iterable[str], end: int, was: Mapping[str, str] = MappingProxyType({})
) -> Mapping[str, int]:
    """Write down that destinations are configured; those that are new are owed what is stored from `end` on.

    `was` has the former id of those that take one over: they are owed what that one was. Returns the offset of each
    that has one, those from before too. Durable on return. Raises `OSError`.
    """
    with _locked(path):
        known = read_starting_offsets(path)
        starting_offsets = dict(take_over(known, was))
        starting_offsets.update({name: end for name in destinations if name not in starting_offsets})
        if starting_offsets != known:
            write_private(path, msgspec.json.encode(starting_offsets).decode())
    return starting_offsets


def drop_starting_offset(path: Path, destination: str) -> None:
    """Remove a destination's starting offset: its account is ended, or goes on under another id.

    Durable on return. Raises `OSError`.
    """
    with _locked(path):
        known = read_starting_offsets(path)
        left = {name: offset for name, offset in known.items() if name != destination}
        if left != known:
            write_private(path, msgspec.json.encode(left).decode())


def take_over(starting_offsets: Mapping[str, int], was: Mapping[str, str]) -> Mapping[str, int]:
    """Return the offsets with those of former ids given to the ids that take them over."""
    left = {name: offset for name, offset in starting_offsets.items() if name not in was.values()}
    for new, old in was.items():
        if old in starting_offsets:
            left[new] = min(starting_offsets[old], starting_offsets.get(new, starting_offsets[old]))
    return left


def read_starting_offsets(path: Path) -> Mapping[str, int]:
    """Return the starting offset of each destination; none when there is no file, or it is damaged."""
    try:
        return _OFFSETS.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold others off while the file is read and written: both processes change it, each for a moment."""
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
