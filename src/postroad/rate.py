"""How much may go through in a time: a token bucket. Pure arithmetic; times are monotonic seconds.

What is sent takes its tokens and waits for its turn (`take`); what comes to us is refused while they are not there
(`wait`).
"""

from typing import Final

_BURST: Final = 0.1
"""Seconds of the rate that may go at once after a rest, unless told otherwise."""


class TokenBucket:
    """Lets so many tokens through a second, and `burst` seconds' worth of them at once after a rest."""

    def __init__(self, per_second: float, now: float, *, burst: float = _BURST) -> None:
        self._rate = per_second
        self._capacity = max(1.0, per_second * burst)
        self._level = self._capacity
        self._at = now

    def take(self, count: float, now: float) -> float:
        """Take `count` tokens and return after how many seconds they may be used."""
        self._fill(now)
        self._level -= count
        return max(0.0, -self._level / self._rate)

    def wait(self, count: float, now: float) -> float:
        """Return after how many seconds `count` tokens are there, taking none; more than there is room for are there
        once it is full.
        """
        self._fill(now)
        return max(0.0, (min(count, self._capacity) - self._level) / self._rate)

    def _fill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
        self._at = now
