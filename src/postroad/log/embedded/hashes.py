"""Whether the hashes that a log keeps of its keys are those of its keys: a key whose hash is another is not recognised
when it comes again. For audit; it reads all of the log.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from xxhash import xxh3_64_intdigest

from postroad.log.embedded.blocks import BlockFiles, StoredBlock
from postroad.log.embedded.digests import Digest, seed_of
from postroad.log.embedded.options import MIB
from postroad.log.embedded.tables import Opened, rows

_CACHE: Final = MIB


def wrong_hashes(folder: Path, *, digest: Digest = xxh3_64_intdigest) -> Iterator[tuple[int, int]]:
    """Yield the number of each block that can be read and has wrong hashes, and how many. Blocking. An erased record
    has a digest in place of its key: nobody can tell.

    Raises `StoreUnavailable` when a file can't be read now, and `StoreVersion`.
    """
    files = BlockFiles(folder, _CACHE)
    try:
        files.refresh()
        for opened in files.opened():
            for number, hashes in rows(opened, "hashes"):
                stored = files.block(number)
                wrong = 0 if stored is None else _wrong(opened, stored, hashes, digest)
                if wrong:
                    yield number, wrong
    finally:
        files.close()


def _wrong(opened: Opened, stored: StoredBlock, hashes: object, digest: Digest) -> int:
    records = stored.block.records
    if not isinstance(hashes, bytes) or len(hashes) != 8 * len(records):
        return len(records)
    seed = seed_of(opened.meta.secret)
    right = np.fromiter((digest(record.key, seed) for record in records), np.uint64, len(records))
    erased = np.fromiter((not record.value for record in records), np.bool_, len(records))
    return int(np.count_nonzero((np.frombuffer(hashes, "<u8") != right) & ~erased))
