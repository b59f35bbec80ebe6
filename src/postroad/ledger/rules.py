"""What every settlement must obey, whatever the engine. Breaking one is a bug of the caller: `ValueError`."""

from collections.abc import Mapping, Sequence

from postroad.errors import StoreError
from postroad.ledger.base import FrozenBatch, Lost, Outcome, Settlement
from postroad.log.base import offset_of, position_of

_PENDING = Outcome.PENDING
_RETRY = Outcome.RETRY
_DEAD = Outcome.DEAD


def check(settlement: Settlement) -> None:
    """Raise `ValueError` where a settlement contradicts itself."""
    outcomes = settlement.outcomes
    if _PENDING in outcomes.values():
        raise ValueError("a settlement can't make a record pending again")
    retries = {offset for offset, outcome in outcomes.items() if outcome == _RETRY}
    if retries != {retry.offset for retry in settlement.retries}:
        raise ValueError("the records with the outcome RETRY and the retries of a settlement must be the same")
    dead = {offset for offset, outcome in outcomes.items() if outcome == _DEAD}
    if dead != {letter.offset for letter in settlement.dead}:
        raise ValueError("the records with the outcome DEAD and the dead letters of a settlement must be the same")


def check_batches(batches: Sequence[FrozenBatch]) -> None:
    """Raise `ValueError` where batches to freeze are empty or share a record."""
    offsets = [offset for batch in batches for offset in batch.offsets]
    if len(set(offsets)) != len(offsets):
        raise ValueError("a record can be in one frozen batch only, and there only once")
    if not all(batch.offsets for batch in batches):
        raise ValueError("a frozen batch has at least one record")


def check_cursor(now: int, wanted: int) -> None:
    """Raise `ValueError` where a cursor would go back."""
    if wanted < now:
        raise ValueError(f"the cursor is at {now} and can't go back to {wanted}")


def check_size(block: int, kept: int | None, stated: int | None) -> int:
    """Return how many records a block has, from the `kept` outcomes or the settlement's `stated` size.

    Raises `ValueError` when neither is known or they differ.
    """
    size = stated if kept is None else kept
    if size is None:
        raise ValueError(f"block {block} is touched for the first time and the settlement has no size for it")
    if stated is not None and stated != size:
        raise ValueError(f"block {block} has {size} records, the settlement says {stated}")
    return size


def check_position(offset: int, size: int) -> None:
    """Raise `ValueError` where a record is beyond the end of its block."""
    if position_of(offset) >= size:
        raise ValueError(f"offset {offset} is beyond the {size} records of its block")


def check_stretch(start: int, end: int, records: int) -> None:
    """Raise `ValueError` where a lost stretch is none."""
    if not 0 <= start < end or records < 0:
        raise ValueError(f"{records} events from {start} to {end} are no stretch of a log")


def check_log(known: tuple[str, int] | None, identity: str) -> None:
    """Raise `StoreError` where a ledger that belongs to the log `known` meets another."""
    if known is not None and known[0] != identity:
        raise StoreError(
            f"this ledger belongs to the log {known[0]}, and the log that is here is {identity}: put both back from the"
            " same backup, or move ledger.db away so that a new one begins"
        )


def touching(rows: Sequence[Lost], start: int, end: int) -> list[Lost]:
    """Return the lost stretches that share a part of `start <= offset < end`."""
    return [row for row in rows if row.start < end and start < row.end]


def is_lost(rows: Sequence[Lost], block: int) -> bool:
    """Tell whether a lost stretch has a part of a block."""
    return bool(rows) and bool(touching(rows, offset_of(block, 0), offset_of(block + 1, 0)))


def within(account: tuple[int, int | None], start: int, end: int) -> tuple[int, int]:
    """Return what a stretch shares with `account`, its start and end; the end is not above the start for nothing."""
    return max(start, account[0]), end if account[1] is None else min(end, account[1])


def beyond(sizes: Mapping[int, int], start: int, end: int) -> int:
    """Return how many records are in the blocks that have no part in `start <= offset < end`, by their `sizes`."""
    return sum(size for block, size in sizes.items() if offset_of(block + 1, 0) <= start or offset_of(block, 0) >= end)


def unread(rows: Sequence[Lost], start: int, end: int, records: int, with_byte: int) -> int:
    """Return how many of the `records` of a lost stretch have neither a byte nor a place in an earlier row."""
    return max(0, records - with_byte - sum(row.records for row in touching(rows, start, end)))


def pending(block: int, codes: bytes | bytearray, start: int, end: int) -> list[int]:
    """Return the offsets of a block's records that have no outcome, of `start <= offset < end`."""
    first = offset_of(block, 0)
    low, high = max(start - first, 0), min(max(end - first, 0), len(codes))
    if not codes.count(_PENDING, low, high):
        return []
    return [first + place for place in range(low, high) if codes[place] == _PENDING]
