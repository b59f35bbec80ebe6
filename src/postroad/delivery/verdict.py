"""What an attempt's outcome means for the ledger: pure."""

from collections.abc import Callable
from typing import NamedTuple, assert_never

from postroad.config.model import RetryPolicy
from postroad.delivery.items import Item
from postroad.delivery.schedule import due_at, in_words, interval
from postroad.destinations.base import Delivered, Pause, Refused, Retry, Split
from postroad.destinations.base import SendResult as Tried
from postroad.ledger.base import Attempt, DeadLetter, Outcome, RetryRow


class Verdict(NamedTuple):
    """What to write: the outcome, and the rows that go with it."""

    outcome: Outcome
    retry: RetryRow | None = None
    dead: DeadLetter | None = None
    attempt: Attempt | None = None


def judge(tried: Tried, item: Item, policy: RetryPolicy, now: int, chance: Callable[[], float]) -> Verdict:
    """Return the verdict on one attempt that ended at `now` (microseconds)."""
    match tried:
        case Delivered():
            return Verdict(Outcome.DELIVERED)
        case Pause():
            return put_back(item, tried.why, now)._replace(attempt=_attempt(tried, item, now))
        case Refused() | Split():
            return _dead(tried, item, now, tried.why)
        case Retry():
            return _again(tried, item, policy, now, chance)
        case _:
            assert_never(tried)


def refuse(item: Item, why: str, now: int) -> Verdict:
    """Return the verdict on an event that can't be made ready to be sent, because of `why`."""
    return _dead(Refused(why), item, now, why)


def put_back(item: Item, why: str, now: int) -> Verdict:
    """Return the verdict on an event that couldn't be tried, or whose try does not count: due at once (it is up to
    the breaker when that is), with no try more. `item` has the age that it had when it was sent.
    """
    row = RetryRow(item.record.offset, now, item.tries, item.first_at, why, form=item.form)
    return Verdict(Outcome.RETRY, retry=row)


def _again(tried: Retry, item: Item, policy: RetryPolicy, now: int, chance: Callable[[], float]) -> Verdict:
    first_at = item.first_at or now
    tries = item.tries + 1
    due = due_at(policy, now=now, first_at=first_at, wait=interval(policy, tries, tried.after, chance()))
    if due is None:
        times = "1 try" if tries == 1 else f"{tries} tries"
        return _dead(tried, item, now, f"given up after {times} in {in_words(policy.max_age)}; the last: {tried.why}")
    row = RetryRow(item.record.offset, due, tries, first_at, tried.why, form=item.form)
    return Verdict(Outcome.RETRY, retry=row, attempt=_attempt(tried, item, now))


def _dead(tried: Retry | Refused | Split, item: Item, now: int, why: str) -> Verdict:
    letter = DeadLetter(
        offset=item.record.offset,
        key=item.record.key,
        value=item.record.value,
        label=item.event.name or item.event.type,
        why=why,
        died_at=now,
        first_at=item.first_at or now,
        tries=item.tries + 1,
        form=item.form,
    )
    return Verdict(Outcome.DEAD, dead=letter, attempt=_attempt(tried, item, now))


def _attempt(tried: Retry | Refused | Split | Pause, item: Item, now: int) -> Attempt:
    return Attempt(item.record.offset, now, tried.status, tried.why, tried.answer)
