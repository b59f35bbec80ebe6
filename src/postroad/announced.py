"""From where on each configured destination is owed events, as the ingest process says before it takes the first one.

Accounts are opened by the delivery process, which may come up later than ingest, or much later. What was accepted
in between is owed all the same: the destination was configured when it came.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from postroad.files import write_private

_OFFSETS = msgspec.json.Decoder(dict[str, int])


def announce(path: Path, destinations: Iterable[str], end: int) -> Mapping[str, int]:
    """Write down that destinations are configured; those that are new are owed what is stored from `end` on.

    Returns the offset of each. Durable on return. Raises `OSError`.
    """
    known = read_announced(path)
    configured = {name: known.get(name, end) for name in destinations}
    if configured != known:
        write_private(path, msgspec.json.encode(configured).decode())
    return configured


def read_announced(path: Path) -> Mapping[str, int]:
    """Return the offset of each destination that was announced; none when nothing was, or the file is damaged."""
    try:
        return _OFFSETS.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
