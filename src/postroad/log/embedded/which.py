"""Which of the two windows each record of a block is of, as its row keeps it: a bit a record, the first in the lowest
bit of the first byte; nothing at all where all are of the first window.
"""

import numpy as np
from numpy.typing import NDArray

Others = NDArray[np.bool_]
"""One for each record: whether it is of the second window."""


def pack_which(others: Others) -> bytes:
    """Return the bits as a row keeps them."""
    return np.packbits(others, bitorder="little").tobytes() if others.any() else b""


def unpack_which(which: bytes, count: int) -> Others:
    """Read them back, of a block of `count` records."""
    if not which:
        return np.zeros(count, np.bool_)
    return np.unpackbits(np.frombuffer(which, np.uint8), count=count, bitorder="little").astype(np.bool_)


def others_before(which: bytes, position: int) -> int:
    """Return how many records before `position` are of the second window."""
    return (int.from_bytes(which, "little") & ((1 << position) - 1)).bit_count() if which else 0


def is_other(which: bytes, position: int) -> bool:
    """Tell whether the record at `position` is of the second window."""
    return bool(which) and bool(which[position // 8] >> position % 8 & 1)


def fits(which: object, count: int) -> bool:
    """Tell whether this can be what a row of `count` records keeps."""
    return isinstance(which, bytes) and len(which) in {0, (count + 7) // 8}
