"""How many connections an address has at once, and which of them make room for new ones.

Pure: it is told who came and who left, and names those that have to go. Only a client that we wait for can be one of
them: nobody loses an answer that is being made for it.
"""

import heapq
from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import Final, NamedTuple, Protocol

_LARGEST: Final = 16_384
"""Connections at most, however many descriptors there are: an idle one takes some 5 KiB of memory."""
_LARGEST_OF_A_PEER: Final = 2_048
_AT_ONCE: Final = 64
"""One in so many goes at a time, so that a flood of new connections looks through all the others only now and then."""


class Bounds(NamedTuple):
    """How many connections there may be in all, and from one peer; `exempt` tells which addresses may have any number,
    because many are behind them.
    """

    total: int
    per_peer: int
    exempt: Callable[[str], bool] = lambda _address: False


def bounds_within(descriptors: int, kept: int, exempt: Callable[[str], bool] = lambda _address: False) -> Bounds:
    """Return the bounds of a process that may open so many descriptors and keeps some for other things than
    connections. One peer gets half of the room at most.
    """
    total = min(_LARGEST, max(descriptors - kept, descriptors // 2))
    return Bounds(total, min(_LARGEST_OF_A_PEER, total // 2), exempt)


class Guest(Protocol):
    """What a place is held by."""

    @property
    def waits_since(self) -> float:
        """Since when, by the loop's clock, the client has let us wait; `inf` while it waits for us."""
        ...

    def make_room(self) -> None:
        """Go at once."""


class Places:
    """Who is connected, by peer."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._peers: dict[Guest, str] = {}
        self._held: dict[str, set[Guest]] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def crowded_by(self, peer: str, address: str) -> tuple[str, Sequence[Guest]]:
        """Return the bound that one more of this peer would break, nothing if none, and who is to go for it, those
        first that have let us wait longest; nobody where all of them wait for us.
        """
        of_peer = self._held.get(peer, ())
        if len(of_peer) >= self._bounds.per_peer and not self._bounds.exempt(address):
            return "peer", longest_waiting(of_peer)
        if len(self._peers) >= self._bounds.total:
            return "total", self.longest_waiting()
        return "", ()

    def longest_waiting(self) -> Sequence[Guest]:
        """Return who is to go when there is no room for anybody."""
        return longest_waiting(self._peers)

    def enter(self, peer: str, guest: Guest) -> None:
        """Give a guest its place."""
        self._peers[guest] = peer
        self._held.setdefault(peer, set()).add(guest)

    def leave(self, guest: Guest) -> None:
        """Take back its place, if it has one."""
        peer = self._peers.pop(guest, None)
        if peer is not None:
            held = self._held[peer]
            held.discard(guest)
            if not held:
                del self._held[peer]


def longest_waiting(guests: Collection[Guest]) -> Sequence[Guest]:
    """Return those of the guests that have let us wait longest: one in 64, at least one if any has."""
    waiting = [guest for guest in guests if guest.waits_since < inf]
    return heapq.nsmallest(max(1, len(guests) // _AT_ONCE), waiting, key=lambda guest: guest.waits_since)
