"""What a replay's account says of it."""

from collections.abc import Sequence

import msgspec

from postroad.contract.stored import StoredEvent
from postroad.delivery.routing import is_listed
from postroad.ledger.base import Account
from postroad.log.received import is_in


class Replay(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a replay is limited to: the names of its events (None: all), how many of them go out a second (None: as
    many as its destination takes), and when they were received, `since <= at < until` in microseconds (None: no limit).
    """

    events: Sequence[str] | None = None
    rate: float | None = None
    since: int | None = None
    until: int | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there are events in its stretch that it may not claim."""
        return (self.events, self.since, self.until) != (None, None, None)

    def claims(self, stored: StoredEvent) -> bool:
        """Tell whether an event is one of those that it is limited to."""
        return is_in(stored.received_at, self.since, self.until) and (
            self.events is None or is_listed(self.events, stored)
        )

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, account: Account) -> "Replay":
        """Read it off an account; one that is no replay is limited to nothing."""
        return msgspec.json.decode(account.replay or "{}", type=cls)
