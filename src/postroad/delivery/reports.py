"""What the server's log is told of one destination: a line when it is left alone, when it works again, and one for each
burst of refused events.
"""

from typing import Final

from structlog.typing import FilteringBoundLogger

from postroad.delivery.breaker import Breaker
from postroad.delivery.schedule import in_words

BURST: Final = 60.0
"""Seconds after a line about refused events in which further ones are counted for the next line."""


class Reports:
    """Writes them. Times are in monotonic seconds."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        self._logger = logger
        self._refused = 0  # events, since the last line about them
        self._why = ""
        self._quiet_until = 0.0
        self._told = ""

    def refused(self, events: int, why: str) -> None:
        """Note events that became dead letters because they were refused. They are told with the next delivery: if
        none comes, it is the destination that is told of.
        """
        self._refused += events
        self._why = why

    def delivered(self, now: float) -> None:
        """Note that something was delivered, which ends a burst."""
        if self._refused and now >= self._quiet_until:
            self._logger.warning("the destination refused events: they are dead letters", **self._dead())
            self._quiet_until = now + BURST

    def changed(self, breaker: Breaker, now: float) -> None:
        """Tell that the breaker has opened or closed, unless somebody holds it and knows. One that opens for refusals
        again right after a false alarm, and so is taken back as fast, is not told each time.
        """
        if breaker.held:
            return
        if breaker.closed:
            if self._told:
                self._logger.info("the destination works again")
            self._told = ""
            return
        if breaker.word == self._told:
            return
        more = {}
        if breaker.refuses_all:
            if breaker.false_alarm and now < self._quiet_until:
                return
            self._quiet_until = now + BURST
            more = self._dead()
        self._told = breaker.word
        self._logger.warning(
            "the destination is left alone until it works again",
            state=breaker.word,
            reason=breaker.why,
            next_try_in=in_words(breaker.wait(now)),
            **more,
        )

    def _dead(self) -> dict[str, object]:
        """Return what is told of the refused events, which is told once."""
        dead, self._refused = self._refused, 0
        return {"dead_letters": dead, "refused_because": self._why}
