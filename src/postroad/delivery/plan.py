"""How one destination is served."""

from collections.abc import Awaitable
from typing import NamedTuple, Protocol

from postroad.config.model import Rate, RetryPolicy
from postroad.contract.email import Kind
from postroad.delivery.routing import Replay, Route
from postroad.destinations.base import BatchLimits, Event
from postroad.destinations.dedup import KeyForm


class Shaping(Protocol):
    """What is done to an event between routing and its destination: transforms, privacy."""

    def __call__(self, event: Event) -> Awaitable[Event | str | None]:
        """Return the event as it is to be sent, None to filter it, or why it can't be sent: it is a dead
        letter then. It never raises; it is asked again for every try.
        """
        ...


class Plan(NamedTuple):
    """What the operator wants of one destination.

    `timeout` and `expire_after` are seconds: with the latter, what a destination has not got at that age expires,
    so that it never holds back the log. `replay` says what a replay is limited to: other events are
    none of its business; `unsupported` are the email events that its type has no place for.
    Without `shape` events go out as they are. `form` is what receivers tell duplicates by, of events never tried.
    """

    destination: str
    region: str
    route: Route
    retry: RetryPolicy
    concurrency: int
    timeout: float
    batch: BatchLimits = BatchLimits(1, 1 << 20, 0)
    rate: Rate = Rate()
    shape: Shaping | None = None
    expire_after: float | None = None
    replay: Replay | None = None
    unsupported: frozenset[Kind] = frozenset()
    form: KeyForm = KeyForm.DIGEST

    @property
    def limits(self) -> BatchLimits:
        """What a batch may hold: never more events than the rate lets through in a second."""
        if self.rate.events is None:
            return self.batch
        return self.batch._replace(max_events=max(1, min(self.batch.max_events, int(self.rate.events))))
