"""What an error of PostgreSQL means for the batch: pure, by its SQLSTATE.

| SQLSTATE | outcome |
|---|---|
| 22, 23 (but 23502), 54, P0: the data of one event, or a rule of yours | that event is refused, the others go on |
| 28, 3D000, 42501: login refused, no such database, no permission | pause |
| the other 42, 0A, 23502: the tables are not as we made them | pause |
| 42P01, 3F000: a table or the schema was dropped | made again, and the batch sent again |
| TLS is demanded and the server has none, or it wants to log us in in another way than we do | pause |
| anything else (connection, shutdown, deadlock, disk full, too many connections) | retry |

An error at login comes without a SQLSTATE, only with the server's words; in another language than English it
is a retry.
"""

import re
from typing import Final

from postroad.destinations.base import Pause, Refused, Retry, SendResult, Split
from postroad.destinations.printable import printable

GONE: Final = frozenset({"42P01", "3F000"})

_DATA: Final = ("22", "23", "54", "P0")
_NOT_NULL: Final = "23502"
_NO_ACCESS: Final = ("28", "3D000", "42501")
_LOGIN: Final = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|pg_hba\.conf rejects|role .* does not exist"
    r"|database .* does not exist|permission denied|not permitted to log in|requires a valid client certificate"
)
_DEMANDED: Final = re.compile(r"server does not support SSL|authentication method requirement")
_LONGEST: Final = 500


def is_of_the_data(state: str | None) -> bool:
    """Tell whether an error with this SQLSTATE may come from a single event of the batch."""
    return state is not None and state.startswith(_DATA) and state != _NOT_NULL


def refused(said: str) -> Refused:
    """Return the outcome of an event whose data the server refused."""
    return Refused(f"the database refused its data: {_line(said)}")


def outcome_of(state: str | None, said: str, table: str) -> SendResult:
    """Return the outcome of the whole batch; `table` is the one that was being written, if any."""
    words = _line(said)
    if state is None:
        return _at_login(words)
    if state.startswith(_NO_ACCESS):
        return Pause(f"the database does not let us: {words}")
    if is_of_the_data(state):
        return Split(f"the database refused the data of one of the events: {words}")  # found at commit only
    if state in GONE:
        return Retry(f"a table was dropped underneath: {words}")
    if state.startswith(("42", "0A")) or state == _NOT_NULL:
        return Pause(
            f"{table or 'the schema'} is not as Postroad made it; change it back, or rename it and it is made anew: "
            f"{words}"
        )
    return Retry(f"the database could not: {words}")


def _at_login(words: str) -> SendResult:
    if _DEMANDED.search(words):
        return Pause(f"{words}; if that is how this server is, say so in dsn by sslmode=… or require_auth=…")
    return Pause(words) if _LOGIN.search(words) else Retry(words)


def _line(said: str) -> str:
    return printable(" ".join(said.split()))[:_LONGEST]
