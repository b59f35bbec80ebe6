"""How a block is stored: one zstd frame with a checksum over the lengths, the keys and the values.

Inside the frame: the length of each key, then of each value (32-bit little-endian integers), then all keys,
then all values.
"""

from collections.abc import Sequence
from functools import partial
from itertools import chain, pairwise

import numpy as np
import zstandard

from postroad.errors import StoreError
from postroad.log.base import Entry, Record, offset_of

_LEVEL = 1
_LENGTH = np.dtype("<u4")

# A Record without the call of its Python-level __new__: a third of the time of reading a block.
_record = partial(tuple.__new__, Record)


class BlockCodec:
    """Packs and unpacks blocks. For one thread at a time: it keeps its buffers."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._decompressor = zstandard.ZstdDecompressor()

    def pack(self, entries: Sequence[Entry]) -> bytes:
        """Return the stored form of a block's entries."""
        keys = [entry[0] for entry in entries]
        values = [entry[1] for entry in entries]
        lengths = np.fromiter(map(len, chain(keys, values)), _LENGTH, 2 * len(keys)).tobytes()
        return self._compressor.compress(b"".join((lengths, *keys, *values)))

    def unpack(self, number: int, count: int, body: bytes) -> list[Record]:
        """Return the records of block `number`. Raises `StoreError` when the bytes are not what was packed."""
        try:
            raw = self._decompressor.decompress(body)
            lengths = np.frombuffer(raw, _LENGTH, 2 * count)
        except (zstandard.ZstdError, ValueError, MemoryError) as error:
            raise StoreError(f"block {number} is damaged: {error}") from error
        edges = [8 * count, *(np.cumsum(lengths, dtype=np.int64) + 8 * count).tolist()]
        if edges[-1] != len(raw):
            raise StoreError(f"block {number} is damaged: it has {len(raw)} bytes instead of {edges[-1]}")
        parts = [raw[start:end] for start, end in pairwise(edges)]
        start = offset_of(number, 0)
        return list(map(_record, zip(range(start, start + count), parts[:count], parts[count:], strict=True)))
