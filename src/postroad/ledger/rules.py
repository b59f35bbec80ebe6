"""What every settlement must obey, whatever the engine. Breaking one is a bug of the caller: `ValueError`."""

from collections.abc import Sequence

from postroad.ledger.base import FrozenBatch, Outcome, Settlement
from postroad.log.base import position_of

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
