"""The circuit breaker of one destination: pure. It keeps a destination that is down from using up its events.

    closed     everything is sent; `patience` whole sends failing in a row, one `Pause`, or `REFUSALS` refused requests
               with nothing delivered in between open it
    open       nothing is sent until the next probe is due
    half-open  one small send is under way, the probe: it closes the breaker, or opens it for longer

Beside all that the operator may *hold* the destination: nothing is sent until it is released, but one probe each time
that somebody asks for it.

While it is not closed no failure counts against an event: neither its tries nor its age grow. A send that began
before the breaker changed says nothing any more, and is not listened to.

A destination that refuses one event works. One that refuses whatever it is asked does not: its address has gone, or
another program answers there. While it is open for that, no refusal counts against an event either, and only a
delivery closes it.

What failed before may go on failing while the destination takes everything else. So an open breaker lets fresh
events probe at once until `FAILURES` of them have failed in a row, and an opening that the first probe, or such a
fresh event, disproves was a false alarm: it doubles the patience. Every success while it is closed takes one off it
again, an outage all of it.
"""

import math
from typing import Final

from postroad.config.model import RetryPolicy
from postroad.delivery.schedule import bounded, in_words

FAILURES: Final = 5
MOST_PATIENCE: Final = 1280
"""Whole sends failing in a row that open it at most, however many false alarms there were."""

REFUSALS: Final = 10
"""Refused requests with nothing delivered in between that open it: so many dead letters an outage may cost."""

LONGEST_WAIT: Final = 300.0
"""Seconds between two probes at most, unless the destination asks for more (Retry-After)."""


class Breaker:
    """`now` is in monotonic seconds: a wait must not depend on a wall clock that is set."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._fresh_failures = 0  # of those, how many were of fresh events
        self._refusals = 0  # requests refused since something was delivered
        self._patience = FAILURES
        self._waits = 0  # how often it was opened since it was last closed
        self._probe_at = -math.inf
        self._probing = False
        self._asked = False  # whether a probe was asked for, which a hold lets through
        self._era = 0  # counts the changes of state; a send that began in an earlier era is not listened to
        self.word = ""
        """`open` or `paused`, nothing while it is closed."""
        self.why = ""
        """Why the last whole send failed or was refused, nothing after one that did not."""
        self.held = ""
        """The sentence that says why the operator holds it, nothing while nobody does."""
        self.false_alarm = False
        """Whether the destination worked all the while when it was last open."""

    @property
    def closed(self) -> bool:
        """Whether everything is sent."""
        return not (self.word or self.held)

    def wait(self, now: float) -> float:
        """Return after how many seconds a send may start, infinity while the probe is under way."""
        if self._probing or (self.held and not self._asked):
            return math.inf
        return 0.0 if self.closed else max(0.0, self._probe_at - now)

    def hold(self, sentence: str) -> None:
        """Send nothing from now on."""
        self.held = sentence
        self._asked = False
        self._try_another()

    def release(self) -> None:
        """End the hold. Where the destination fails, it is probed at once."""
        self.held = ""
        self.false_alarm = False  # of before
        self.hurry()
        self._try_another()

    def hurry(self) -> None:
        """Let the next probe start now, also while it is held."""
        self._asked = True
        self._probe_at = -math.inf

    def dismiss(self) -> None:
        """There was nothing to probe with."""
        self._asked = False

    @property
    def doubtful(self) -> bool:
        """Whether it is open for what failed before, and a fresh event may probe at once."""
        return self.word == "open" and not (self._probing or self.held) and self._fresh_failures < FAILURES

    @property
    def refuses_all(self) -> bool:
        """Whether so many requests in a row were refused that it is no matter of single events."""
        return self._refusals >= REFUSALS

    def start(self) -> int:
        """A send starts, as `wait` allowed; if the breaker is open it is the probe. Give back what this
        returns with the send's result.
        """
        if not self.closed and not self._probing:
            self._probing, self._asked = True, False
            self._era += 1
        return self._era

    def succeeded(self, era: int, *, fresh: bool = True, delivered: bool = True) -> None:
        """The destination works: it took the send, or said what is wrong with single events of it. `delivered` tells
        whether it took any event.
        """
        if era != self._era:
            return
        if delivered:
            self._refusals = 0
        elif self.refuses_all:
            self._try_another()  # this says nothing of the others
            return
        if self.closed:
            self._patience = max(FAILURES, self._patience - 1)
        else:
            disproved = self._waits <= 1 or (fresh and self._fresh_failures < FAILURES)
            self.false_alarm = self.word == "open" and disproved
            self._patience = min(2 * self._patience, MOST_PATIENCE) if self.false_alarm else FAILURES
        self._failures = self._fresh_failures = 0
        self.why = ""
        if not self.closed:
            self.word = ""
            self._waits, self._probing = 0, False
            self._era += 1

    def refused(self, era: int, now: float, why: str, *, fresh: bool = True) -> bool:
        """The destination answered that it does not want the request, which was all about one event. Returns whether
        that is the event's own fault, as far as anybody can know; if not, it has to wait.
        """
        if era != self._era:
            return False
        if self.refuses_all:
            self.failed(era, now, why, None, fresh=fresh)
            return False
        self.succeeded(era, fresh=fresh, delivered=False)  # it answers
        self._refusals += 1
        self.why = why
        if self._refusals == REFUSALS:
            self._open("open", now, why, None)
        return True

    def failed(self, era: int, now: float, why: str, asked: float | None, *, fresh: bool = True) -> None:
        """The whole send failed; `asked` is the destination's Retry-After in seconds, `fresh` tells whether its
        events were never sent before.
        """
        if era != self._era:
            return
        self._failures += 1
        self._fresh_failures += fresh
        self.why = why
        if self.word == "open" and fresh and self._fresh_failures < FAILURES:
            self._try_another()  # it came on top of the probes that are due, and does not put them off
        elif self._failures >= self._patience or not self.closed:
            self._open("open", now, why, asked)

    def paused(self, era: int, now: float, why: str) -> None:
        """Somebody has to act before the destination takes anything."""
        if era == self._era:
            self._open("paused", now, why, None)

    def state(self, now: float) -> str:
        """Say it to people: `running`, what failed last, or why nothing is sent and when it is tried again."""
        if self.closed:
            return f"running; the last try failed: {self.why}" if self.why else "running"
        if self.held:
            trying = "; trying now" if self._probing or self._asked else ""
            return self.held + (trying or (f"; the last try failed: {self.why}" if self.why else ""))
        wait, why = self.wait(now), self.why
        if self.refuses_all:
            why = f"{REFUSALS} requests in a row were refused: {why}"
        return f"{self.word}: {why}; " + ("trying now" if wait in {0, math.inf} else f"next try in {in_words(wait)}")

    def _try_another(self) -> None:
        """Let the next probe start when it may, as if this one had not been."""
        self._probing = False
        self._era += 1

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
