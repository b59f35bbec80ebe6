"""The log's own time: microseconds that never go back, whatever the machine's clock does."""

from postroad.clock import MICROSECONDS, Clock
from postroad.log.options import DAY

MOST_ASLEEP = round(DAY * MICROSECONDS)
"""The most that goes by over a stop of the writer: a clock that was set forward meanwhile ages nothing by more."""


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
            self._base = ticks + min(max(0, self._clock.now() - at), MOST_ASLEEP)
            self._began = self._clock.monotonic()
        return self.now()

    def now(self) -> int:
        """Return the own time of this moment, 0 while it was never told."""
        if self._base is None:
            return 0
        gone = round((self._clock.monotonic() - self._began) * MICROSECONDS)
        self._last = max(self._last, self._base + gone)
        return self._last
