"""Which file an event goes into: pure, and by nothing but the events themselves."""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from postroad.destinations.warehouse.columns import Columns

_DIGITS: Final = 20  # as many as the largest offset has: names sort by it


class ParquetFile(NamedTuple):
    """One file: its path below the place, and the rows in it, in the batch's order."""

    path: str
    rows: Sequence[Columns]


def files_of(rows: Sequence[Columns]) -> Sequence[ParquetFile]:
    """Return the files of a batch, a file a partition."""
    partitions: dict[str, list[Columns]] = {}
    for row in rows:
        partitions.setdefault(f"region={row.region}/event={row.event}/day={row.received_at:%Y-%m-%d}", []).append(row)
    return [ParquetFile(f"{partition}/{_name(inside)}", inside) for partition, inside in partitions.items()]


def _name(rows: Sequence[Columns]) -> str:
    # The message ids too: a server set up anew counts its offsets from the start, and must not write over
    # the files of the one before it.
    digest = hashlib.sha256()
    for row in rows:
        same = f"{row.log_offset}\0{row.received_at.isoformat()}\0{row.source}\0{row.message_id}\0"
        digest.update(same.encode())
    offsets = [row.log_offset for row in rows]
    return f"{min(offsets):0{_DIGITS}d}-{max(offsets):0{_DIGITS}d}-{digest.hexdigest()[:16]}.parquet"
