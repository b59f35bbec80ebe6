"""Nothing is sent to a destination, because the operator wants it so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from postroad.clock import iso

if TYPE_CHECKING:  # it is a part of the port
    from postroad.ledger.base import Account


class Hold(NamedTuple):
    """Since `at` (microseconds). `by` and `why` are what was said then, and may be empty."""

    at: int
    by: str = ""
    why: str = ""

    @property
    def sentence(self) -> str:
        """Say it to people: `held: on purpose since …`."""
        by, why = (f" by {self.by}" if self.by else ""), (f": {self.why}" if self.why else "")
        return f"held: on purpose since {iso(self.at)}{by}{why}"


def holds_of(accounts: "Sequence[Account]") -> dict[str, Hold]:
    """Return the holds of the destinations that have one: their live account keeps it."""
    return {
        one.destination: Hold(one.held_at, one.held_by, one.held_why)
        for one in accounts
        if one.held_at and one.replay is None and one.end is None
    }
