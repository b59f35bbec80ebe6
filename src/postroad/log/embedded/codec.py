"""How a block is stored: one zstd frame with a checksum over a stamp, the lengths, the keys and the values.

The stamp says again what the row around the frame says, and whose block it is, so that neither another block's bytes
nor a row with flipped bits can pass for this one. Behind it: the length of each key, then of each value (32-bit
little-endian integers), then all keys, then all values. Format 1 has no stamp.
"""

import struct
from collections.abc import Sequence
from functools import partial
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import zstandard

from postroad.errors import StoreDamaged
from postroad.log.base import Entry, Record, offset_of

_LEVEL = 1
_LENGTH = np.dtype("<u4")
_STAMP = struct.Struct("<8sqqqqI")

# A Record without the call of its Python-level __new__: a third of the time of reading a block.
_record = partial(tuple.__new__, Record)


class Stamp(NamedTuple):
    """What a stored block says of itself. `owner` is the first 8 bytes of the log's identity; `appended` counts the
    records of the log up to and with the block; `appended_at` (wall clock) and `ticks` (own time) are microseconds.
    """

    owner: bytes
    number: int
    appended: int
    appended_at: int
    ticks: int


_stamp = partial(tuple.__new__, Stamp)


class BlockCodec:
    """Packs and unpacks blocks. For one thread at a time: it keeps its buffers."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._decompressor = zstandard.ZstdDecompressor()

    def pack(self, stamp: Stamp, entries: Sequence[Entry]) -> bytes:
        """Return the stored form of a block's entries."""
        keys = [entry[0] for entry in entries]
        values = [entry[1] for entry in entries]
        lengths = np.fromiter(map(len, chain(keys, values)), _LENGTH, 2 * len(keys)).tobytes()
        return self._compressor.compress(b"".join((_STAMP.pack(*stamp, len(keys)), lengths, *keys, *values)))

    def unpack(self, owner: bytes, number: int, body: bytes) -> tuple[Stamp, list[Record]]:
        """Return the stamp and the records of block `number` of the log of `owner` (empty: of any log).

        Raises `StoreDamaged` when the bytes are not what was packed for it.
        """
        raw = self._inflate(number, body)
        if len(raw) < _STAMP.size:
            raise StoreDamaged(f"block {number} is damaged: it has only {len(raw)} bytes")
        stamped = _STAMP.unpack_from(raw)
        stamp = _stamp(stamped[:-1])
        if stamp.number != number or (owner and stamp.owner != owner):
            raise StoreDamaged(f"block {number} is damaged: these are the bytes of another block")
        return stamp, _records(number, stamped[-1], raw, _STAMP.size)

    def unpack_format_1(self, number: int, count: int, body: bytes) -> list[Record]:
        """Return the records of a block that has no stamp, and `count` records as its row says."""
        return _records(number, count, self._inflate(number, body), 0)

    def _inflate(self, number: int, body: bytes) -> bytes:
        try:
            return self._decompressor.decompress(body)
        except (zstandard.ZstdError, TypeError, ValueError, MemoryError) as error:
            raise StoreDamaged(f"block {number} is damaged: {error}") from error


def _records(number: int, count: int, raw: bytes, begin: int) -> list[Record]:
    try:
        lengths = np.frombuffer(raw, _LENGTH, 2 * count, begin)
    except ValueError as error:
        raise StoreDamaged(f"block {number} is damaged: {error}") from error
    first = begin + 8 * count
    edges = [first, *(np.cumsum(lengths, dtype=np.int64) + first).tolist()]
    if edges[-1] != len(raw):
        raise StoreDamaged(f"block {number} is damaged: it has {len(raw)} bytes instead of {edges[-1]}")
    parts = [raw[start:end] for start, end in pairwise(edges)]
    start = offset_of(number, 0)
    return list(map(_record, zip(range(start, start + count), parts[:count], parts[count:], strict=True)))
