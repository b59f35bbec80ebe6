"""What an operator may set about the embedded log."""

from typing import NamedTuple

from postroad.log.embedded.dedup import CANDIDATES

DAY = 86_400.0
MIB = 1 << 20


class LogOptions(NamedTuple):
    """Durations are seconds, sizes bytes.

    `window_age` and `window_ids` bound the dedup window, `segment_bytes` and `segment_age` one segment,
    `max_queue` what may wait to be written. Below `disk_floor` free bytes nothing is written.
    `table_slots` is the size of the largest dedup table, a power of two of at least 16; of one key the newest
    `candidates` whose hashes match are compared.
    """

    window_age: float = 7 * DAY
    window_ids: int = 8_000_000
    segment_bytes: int = 256 * MIB
    segment_age: float = DAY
    disk_floor: int = 512 * MIB
    max_queue: int = 64 * MIB
    table_slots: int = 1 << 21
    candidates: int = CANDIDATES
