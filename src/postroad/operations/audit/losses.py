"""The lost stretches of one account, matched with what the log says it can't read."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from postroad.ledger import rules
from postroad.ledger.base import Account, Lost
from postroad.log.base import Block, number_of, offset_of


class Share(NamedTuple):
    """What an account has of a stretch that the log can't read: `start <= offset < end`, and whether that is all
    of the stretch.
    """

    start: int
    end: int
    whole: bool

    @property
    def blocks(self) -> str:
        """Its blocks, in words."""
        return blocks_in_words(self.start, self.end)


def share_of(account: Account, stretch: Block) -> Share | None:
    """Return what an account has of a stretch; None for no part of it."""
    start, end = rules.within((account.start, account.end), stretch.start, stretch.end)
    if start >= end:
        return None
    same = number_of(start) == stretch.number and number_of(end - 1) == number_of(stretch.end - 1)
    return Share(start, end, same)


def unread_of(share: Share, stretch: Block, with_byte: int, sizes: Mapping[int, int]) -> int:
    """Return how many events of a stretch are the account's and have no byte there. `sizes` has those of the blocks
    that any account knows; as `Ledger.lose` counts.
    """
    return max(0, stretch.lost - with_byte - rules.beyond(sizes, share.start, share.end))


def blocks_in_words(start: int, end: int) -> str:
    """Return the blocks of `start <= offset < end` in words."""
    low, high = number_of(start), number_of(end - 1)
    return f"block {low}" if low == high else f"blocks {low} to {high}"


class LostRows:
    """What the ledger wrote off without a byte, and how much of it the log has not accounted for yet."""

    def __init__(self, rows: Sequence[Lost]) -> None:
        self._left = [(row, row.records) for row in rows]

    def take(self, start: int, end: int, most: int) -> int:
        """Account for up to `most` events of `start <= offset < end`; returns how many were written off there."""
        taken = 0
        for index, (row, left) in enumerate(self._left):
            if left and row.start < end and start < row.end:
                part = min(left, most - taken)
                self._left[index] = (row, left - part)
                taken += part
        return taken

    def retired(self, first: int) -> int:
        """Account for what is left of the stretches that begin below block `first`: retention removed them since."""
        below = [(row, left) for row, left in self._left if row.start < offset_of(first, 0)]
        return sum(self.take(row.start, row.end, left) for row, left in below)

    def rest(self) -> list[Lost]:
        """Return what nothing in the log accounts for."""
        return [row._replace(records=left) for row, left in self._left if left]
