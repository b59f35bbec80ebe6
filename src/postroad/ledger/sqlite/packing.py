"""How the value of a dead letter is kept: compressed, where that makes it smaller."""

from typing import Final

import zstandard

from postroad.errors import StoreError

_AS_IT_IS: Final = 0
_ZSTD: Final = 1


def pack(value: bytes) -> tuple[bytes, int]:
    """Return a value as it is kept, and how that is: the columns `value` and `packing`."""
    packed = zstandard.compress(value)
    return (packed, _ZSTD) if len(packed) < len(value) else (value, _AS_IT_IS)


def unpack(kept: bytes, packing: int) -> bytes:
    """Return the value again. Raises `StoreError` where the columns are not what was packed."""
    if packing == _AS_IT_IS:
        return kept
    try:
        return zstandard.decompress(kept)
    except zstandard.ZstdError as error:
        raise StoreError(f"a dead letter in the ledger is damaged: {error}") from error
