"""What a replay's account says of it."""

from collections.abc import Sequence

import msgspec

from postroad.ledger.base import Account


class Replay(msgspec.Struct, frozen=True, omit_defaults=True):
    """The names of the events that a replay is limited to (None: all) and how many of them go out a second (None: as
    many as its destination takes).
    """

    events: Sequence[str] | None = None
    rate: float | None = None

    @property
    def only(self) -> frozenset[str] | None:
        """The names as a filter."""
        return None if self.events is None else frozenset(self.events)

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, account: Account) -> "Replay":
        """Read it off an account; one that is no replay is limited to nothing."""
        return msgspec.json.decode(account.replay or "{}", type=cls)
