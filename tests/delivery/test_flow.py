"""What counts as age, compared with counting second by second."""

from bench import POLICY
from hypothesis import given
from hypothesis import strategies as st

from postroad.clock import MICROSECONDS
from postroad.delivery.flow import LONGEST_FALSE_ALARM, MOST_SPANS, Flow
from postroad.delivery.schedule import LONGEST_RETRY_AFTER, is_due, longest_wait

S = MICROSECONDS
BEGAN = 1000 * S
STEPS = st.lists(
    st.tuples(st.integers(0, 900), st.sampled_from(["stop", "go", "false alarm", "look", "set", "set back"])),
    max_size=30,
)


class Counted:
    """The rule, slowly: one entry a second of wall time that is no age."""

    def __init__(self) -> None:
        self.flow = Flow(BEGAN, 0.0)
        self.now, self.monotonic = BEGAN // S, 0.0
        self.dead = set(range(self.now))
        self.since = None

    def go_on(self, seconds: int, what: str) -> None:
        """Let time pass, then do it."""
        self.now, self.monotonic = self.now + seconds, self.monotonic + seconds
        if what.startswith("set"):
            self.flow.look(self.now * S, self.monotonic)
            step = -500 if what == "set back" else 5000
            self.dead.update(range(self.now, self.now + step))
            self.now += step
            self.dead = {second for second in self.dead if second < self.now}
            self.since = None if self.since is None else min(self.since, self.now)
        self.flow.look(self.now * S, self.monotonic)
        if what == "stop":
            self.flow.stop(self.now * S)
            self.since = self.now if self.since is None else self.since
        elif what in {"go", "false alarm"}:
            self.flow.go(self.now * S, false_alarm=what == "false alarm")
            short = self.since is not None and (self.now - self.since) * S <= LONGEST_FALSE_ALARM
            if self.since is not None and not (what == "false alarm" and short):
                self.dead.update(range(self.since, self.now))
            self.since = None

    def stood(self, since: int) -> int:
        """Return how many seconds from `since` to now are no age."""
        still = self.dead if self.since is None else self.dead | set(range(self.since, self.now))
        return len([second for second in still if since <= second < self.now])


@given(STEPS, st.integers(0, 30_000))
def test_age_is_the_time_in_which_things_got_through(steps, since):
    """Whatever happens, what is no age is exactly the time in which nothing got through, before the run, or that a
    clock which was set left out; and age is never negative nor more than all of the time.
    """
    counted = Counted()
    for seconds, what in steps:
        counted.go_on(seconds, what)
    now = counted.now * S
    assert counted.flow.stood(since * S, now) == counted.stood(since) * S
    standing = counted.flow.standing(since * S + 1, since * S, now)
    assert standing == min(since * S + 1 + counted.stood(since) * S, now)


def test_what_has_no_age_gets_none():
    """An event that was never really tried has no age, however long it waits."""
    assert Flow(BEGAN, 0.0).standing(0, BEGAN, 2 * BEGAN) == 0


def test_a_clock_that_is_set_makes_nobody_old():
    """A step of days forward is no age, one back makes nobody younger than now, and slewing is no step."""
    flow, days = Flow(BEGAN, 0.0), 5 * 86400 * S
    flow.look(BEGAN + 60 * S, 60.0)
    flow.look(BEGAN + 61 * S + days, 61.0)
    assert flow.standing(BEGAN, BEGAN, BEGAN + 70 * S + days) == BEGAN + days
    flow.look(BEGAN + 62 * S, 62.0)
    assert flow.standing(BEGAN + days, BEGAN + days, BEGAN + 62 * S) == BEGAN + 62 * S
    assert flow.stood(BEGAN, BEGAN + 62 * S) == S  # what is left of the step: the clock goes over it once more
    flow.look(BEGAN + 122 * S + S // 2, 122.0)
    assert flow.stood(BEGAN + 62 * S, BEGAN + 122 * S) == 0


def test_its_memory_is_bounded():
    """After any number of outages it remembers so many spans, and no event is older for what it forgot."""
    flow, now = Flow(0, 0.0), 0
    for number in range(1000):
        now = number * 100 * S
        flow.look(now, now / S)
        flow.stop(now)
        flow.go(now + 50 * S, false_alarm=False)
    assert len(flow._spans) <= MOST_SPANS
    assert flow.stood(0, now + 50 * S) >= 1000 * 50 * S


@given(st.integers(0, 10**16), st.integers(0, 10**16))
def test_a_retry_is_due_or_within_reach(due_at, now):
    """What is not due lies ahead by no more than the longest wait that there is."""
    longest = longest_wait(POLICY)
    assert longest == LONGEST_RETRY_AFTER * 1.2 * S
    assert is_due(due_at, now, longest) == (due_at <= now or due_at - now > longest)
