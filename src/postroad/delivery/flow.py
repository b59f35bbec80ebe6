"""What counts as an event's age: the time in which its destination took things. Pure.

    counts      from an event's failed try to the moment it is due again; after that, all time in which the
                destination takes what is sent, however long the event has to wait for its turn
    stands      while nothing gets through, before this run began (we were not there to try), and what a wall
                clock that was set forward left out

Nothing gets through from the moment the breaker opens until a send succeeds. If it turns out then that this was a
false alarm (what failed before goes on failing, the rest does not), that time counts after all, unless it was longer
than an hour: nobody knows then.
"""

from typing import Final

from postroad.clock import MICROSECONDS

MOST_SPANS: Final = 64
"""Spans that are remembered one by one; the oldest two grow together beyond that, and count as one."""

LONGEST_FALSE_ALARM: Final = 3600 * MICROSECONDS

_STEP: Final = MICROSECONDS
"""A wall clock that goes wrong by this much between two looks was set."""


class Flow:
    """The spans of wall time, in microseconds, in which no event of one account grew older."""

    def __init__(self, now: int, monotonic: float) -> None:
        self._spans: list[tuple[int, int]] = [(0, now)]  # in order, apart from each other
        self._stopped_at: int | None = None
        self._seen = (now, monotonic)

    def look(self, now: int, monotonic: float) -> None:
        """Note both clocks; call it at least at every send, so that a clock that is set is noticed."""
        was, then = self._seen
        self._seen = (now, monotonic)
        expected = was + round((monotonic - then) * MICROSECONDS)
        if now - expected > _STEP:
            self._stand(expected, now)
        elif expected - now > _STEP:
            self._spans = [(start, min(end, now)) for start, end in self._spans if start < now]
            if self._stopped_at is not None:
                self._stopped_at = min(self._stopped_at, now)

    def stop(self, now: int) -> None:
        """From now on nothing gets through."""
        if self._stopped_at is None:
            self._stopped_at = now

    def go(self, now: int, *, false_alarm: bool) -> None:
        """Something got through. After a `false_alarm` that was no longer than an hour the time since `stop` counts."""
        since, self._stopped_at = self._stopped_at, None
        if since is not None and not (false_alarm and now - since <= LONGEST_FALSE_ALARM):
            self._stand(since, now)

    def standing(self, first_at: int, since: int, now: int) -> int:
        """Return `first_at` (0: no age yet) moved on by the time from `since` to `now` that is no age.

        It is never later than `now`, so that a clock that was set back makes nobody young for ever.
        """
        return min(first_at + self.stood(since, now), now) if first_at else 0

    def stood(self, since: int, now: int) -> int:
        """Return how much of the time from `since` to `now` is no age."""
        spans = self._spans if self._stopped_at is None else _joined(self._spans, (self._stopped_at, now))
        return sum(max(0, min(end, now) - max(start, since)) for start, end in spans)

    def _stand(self, start: int, end: int) -> None:
        spans = _joined(self._spans, (start, end))
        if len(spans) > MOST_SPANS:
            spans[:2] = [(spans[0][0], spans[1][1])]
        self._spans = spans


def _joined(spans: list[tuple[int, int]], new: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the spans with one more, those that touch grown together."""
    start, end = new
    apart = [span for span in spans if span[1] < start or span[0] > end]
    touching = [span for span in spans if not (span[1] < start or span[0] > end)]
    start, end = min([start, *(one[0] for one in touching)]), max([end, *(one[1] for one in touching)])
    return sorted([*apart, (start, end)]) if start < end else list(spans)
