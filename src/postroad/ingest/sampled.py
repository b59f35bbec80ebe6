"""A line in the log of what anybody can make happen at any rate."""

from typing import Final

import structlog

from postroad.clock import Clock

EVERY: Final = 10.0
"""Seconds between two lines of the same kind."""


class Sampled:
    """Warns of one kind of thing: at once, then seldom, with how often it has happened since the last line."""

    def __init__(self, sentence: str, clock: Clock) -> None:
        self._sentence = sentence
        self._clock = clock
        self._count, self._next = 0, 0.0
        self._logger = structlog.get_logger("postroad.ingest")

    def warn(self, **details: object) -> None:
        """Count one, and log its details if it is time for a line."""
        self._count += 1
        now = self._clock.monotonic()
        if now >= self._next:
            self._next = now + EVERY
            self._logger.warning(self._sentence, count=self._count, **details)
            self._count = 0
