"""The log's own time: microseconds that never go back, whatever the machine's clock does."""

from postroad.clock import MICROSECONDS, Clock
from postroad.log.base import Ends
from postroad.log.embedded.options import DAY
from postroad.log.embedded.tables import Tail

MOST_ASLEEP = round(DAY * MICROSECONDS)
"""The most that goes by over a stop of the writer: a clock that was set forward meanwhile ages nothing by more."""


def last_mark(tail: Tail, ends: Ends | None) -> tuple[int, int]:
    """Return the own time as it was last written down, and the wall clock's of that moment."""
    return (tail.ticks, tail.last_at) if ends is None or ends.ticks < tail.ticks else (ends.ticks, ends.at)


def over_a_stop(ticks: int, at: int, now: int) -> int:
    """Return the own time at wall time `now`, when it was `ticks` at wall time `at` and nobody has counted since."""
    return ticks + min(max(0, now - at), MOST_ASLEEP)


class OwnTime:
    """Goes on with the monotonic clock from where `go_on` was first told that it was."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = 0.0
        self._base: int | None = None
        self._last = 0

    def go_on(self, ticks: int, at: int) -> int:
        """Return the own time of this moment. The first time, it was `ticks` at wall time `at` and nobody has counted
        since.
        """
        if self._base is None:
            self._base = over_a_stop(ticks, at, self._clock.now())
            self._began = self._clock.monotonic()
        return self.now()

    def now(self) -> int:
        """Return the own time of this moment, 0 while it was never told."""
        if self._base is None:
            return 0
        gone = round((self._clock.monotonic() - self._began) * MICROSECONDS)
        self._last = max(self._last, self._base + gone)
        return self._last
