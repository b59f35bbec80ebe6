"""The circuit breaker of one destination: pure. It keeps a destination that is down from using up its events.

    closed     everything is sent; `FAILURES` whole sends failing in a row, or one `Pause`, open it
    open       nothing is sent until the next probe is due
    half-open  one small send is under way, the probe: it closes the breaker, or opens it for longer

While it is not closed no failure counts against an event: neither its tries nor its age grow. A send that began
before the breaker changed says nothing any more, and is not listened to.
"""

import math
from typing import Final

from postroad.delivery.schedule import RetryPolicy, bounded, in_words

FAILURES: Final = 5
LONGEST_WAIT: Final = 300.0
"""Seconds between two probes at most, unless the destination asks for more (Retry-After)."""


class Breaker:
    """`now` is in monotonic seconds: a wait must not depend on a wall clock that is set."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._waits = 0  # since it was last closed
        self._probe_at = -math.inf
        self._probing = False
        self._era = 0  # counts the changes; a send says in which it began
        self.word = ""
        """`open` or `paused`, nothing while it is closed."""
        self.why = ""
        """Why the last whole send failed, nothing after one that did not."""

    @property
    def closed(self) -> bool:
        """Whether everything is sent."""
        return not self.word

    def wait(self, now: float) -> float:
        """Return after how many seconds a send may start, infinity while the probe is under way."""
        if self._probing:
            return math.inf
        return 0.0 if self.closed else max(0.0, self._probe_at - now)

    def start(self) -> int:
        """A send starts, as `wait` allowed; if the breaker is open it is the probe. Give back what this
        returns with the send's result.
        """
        if not self.closed and not self._probing:
            self._probing = True
            self._era += 1
        return self._era

    def succeeded(self, era: int) -> None:
        """The destination took the send or refused it for good: it works."""
        if era != self._era:
            return
        self._failures = 0
        self.why = ""
        if not self.closed:
            self.word = ""
            self._waits, self._probing = 0, False
            self._era += 1

    def failed(self, era: int, now: float, why: str, asked: float | None) -> None:
        """The whole send failed; `asked` is the destination's Retry-After in seconds."""
        if era != self._era:
            return
        self._failures += 1
        self.why = why
        if self._failures >= FAILURES or not self.closed:
            self._open("open", now, why, asked)

    def paused(self, era: int, now: float, why: str) -> None:
        """Somebody has to act before the destination takes anything."""
        if era == self._era:
            self._open("paused", now, why, None)

    def state(self, now: float) -> str:
        """Say it to people: `running`, what failed last, or why nothing is sent and when it is tried again."""
        if self.closed:
            return f"running; the last try failed: {self.why}" if self.why else "running"
        wait = self.wait(now)
        return f"{self.word}: {self.why}; " + (
            "trying now" if wait in {0, math.inf} else f"next try in {in_words(wait)}"
        )

    def _open(self, word: str, now: float, why: str, asked: float | None) -> None:
        policy = self._policy
        grown = min(policy.first * policy.factor ** min(self._waits, 16), policy.max_interval, LONGEST_WAIT)
        if asked is not None:
            grown = max(bounded(asked), grown if self._waits else 0.0)
        self.word, self.why = word, why
        self._probe_at = now + grown
        self._waits += 1
        self._probing = False
        self._era += 1
