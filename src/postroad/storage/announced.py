"""From where on each destination is owed events, as the ingest process says before it takes the first one.

Accounts are opened by the delivery process, which may come up later than ingest, or much later. What was accepted
in between is owed all the same: the destination was configured when it came. One that is gone from the configuration
stays announced: only who abandons it withdraws that.
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


def announce(
    path: Path, destinations: Iterable[str], end: int, was: Mapping[str, str] = MappingProxyType({})
) -> Mapping[str, int]:
    """Write down that destinations are configured; those that are new are owed what is stored from `end` on.

    `was` has the former id of those that take one over: they are owed what that one was. Returns the offset of each
    that is announced, those from before too. Durable on return. Raises `OSError`.
    """
    with _locked(path):
        known = read_announced(path)
        announced = dict(take_over(known, was))
        announced.update({name: end for name in destinations if name not in announced})
        if announced != known:
            write_private(path, msgspec.json.encode(announced).decode())
    return announced


def withdraw(path: Path, destination: str) -> None:
    """Forget that a destination was announced: its account is ended, or goes on under another id.

    Durable on return. Raises `OSError`.
    """
    with _locked(path):
        known = read_announced(path)
        left = {name: offset for name, offset in known.items() if name != destination}
        if left != known:
            write_private(path, msgspec.json.encode(left).decode())


def take_over(announced: Mapping[str, int], was: Mapping[str, str]) -> Mapping[str, int]:
    """Return the offsets with those of former ids given to the ids that take them over."""
    left = {name: offset for name, offset in announced.items() if name not in was.values()}
    for new, old in was.items():
        if old in announced:
            left[new] = min(announced[old], announced.get(new, announced[old]))
    return left


def read_announced(path: Path) -> Mapping[str, int]:
    """Return the offset of each destination that was announced; none when nothing was, or the file is damaged."""
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
