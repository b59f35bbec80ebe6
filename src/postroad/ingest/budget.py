"""What bodies that are being received may take of memory: all of them, and each whom they are for.

A body counts until its request is answered, unless it is small and came whole. Those without a known key in the header
share a part of the budget that leaves most of it to those who have one; a peer gets a half of that part. So do a known
source, and a peer with a known key, of the whole budget: neither a browser key that anybody has nor one busy address
can take what the others need.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from postroad.errors import StoreUnavailable

MIB: Final = 1 << 20
ALL: Final = 64 * MIB
OF_KNOWN: Final = 32 * MIB
"""A source, and a peer that sends with a known key."""
OF_STRANGERS: Final = 16 * MIB
OF_A_STRANGER: Final = 8 * MIB
"""A peer without a known key in its headers: two of the largest bodies, or sixteen of the contract's."""


class Share(NamedTuple):
    """A part of the budget: whose it is, and its bytes."""

    whose: str
    limit: int


def shares_of(source: str, peer: str) -> Sequence[Share]:
    """Return what a body counts to: `source` is empty for a stranger, `peer` where only a trusted proxy is known."""
    if source:
        shares, of_peer = [Share(f"source {source}", OF_KNOWN)], Share(f"peer {peer}", OF_KNOWN)
    else:
        shares, of_peer = [Share("strangers", OF_STRANGERS)], Share(f"stranger {peer}", OF_A_STRANGER)
    return [*shares, of_peer] if peer else shares


class Crowded(StoreUnavailable):
    """Too many bodies are being received at once."""


class BodyBudget:
    """Counts the bytes of bodies that are held, over all connections, and refuses beyond `limit`."""

    def __init__(self, limit: int = ALL) -> None:
        self._limit = limit
        self.held = 0
        self.shares: Counter[str] = Counter()
        """The bytes of each share of which any are held."""

    def take(self, size: int, shares: Sequence[Share] = ()) -> None:
        """Count bytes in. Raises `Crowded` when all, or those of a share, are too many; they are not counted then."""
        if self.held + size > self._limit:
            raise Crowded(f"{self.held} bytes of bodies are being received; the limit is {self._limit}")
        for share in shares:
            if self.shares[share.whose] + size > share.limit:
                held = self.shares[share.whose]
                raise Crowded(f"{held} bytes of bodies are being received of {share.whose}; it may have {share.limit}")
        self.held += size
        for share in shares:
            self.shares[share.whose] += size

    def give_back(self, size: int, shares: Sequence[Share] = ()) -> None:
        """Count bytes out."""
        self.held -= size
        for share in shares:
            self.shares[share.whose] -= size
            if not self.shares[share.whose]:
                del self.shares[share.whose]


class Holding:
    """What one request holds of a budget, until `drop`. `shares` are asked for when there is something to count."""

    def __init__(self, budget: BodyBudget, shares: Callable[[], Sequence[Share]]) -> None:
        self._budget = budget
        self._ask = shares
        self._shares: Sequence[Share] | None = None
        self._size = 0

    def take(self, size: int) -> None:
        """Count bytes in. Raises `Crowded`; what was counted before is held all the same."""
        if self._shares is None:
            self._shares = self._ask()
        self._budget.take(size, self._shares)
        self._size += size

    def drop(self) -> None:
        """Count all of it out."""
        if self._size:
            self._budget.give_back(self._size, self._shares or ())
            self._size = 0
