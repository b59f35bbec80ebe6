"""Where in the log the events are that were received in some time.

The log knows when a block was appended; an event was received up to `LATE` before that. So a stretch that holds all of
them holds others too: whoever asks looks at each event's own `received_at`. The machine's clock may have been set
meanwhile; what was received by it in that time is found all the same.
"""

from typing import Final

from postroad.clock import MICROSECONDS
from postroad.log.base import LogReader

LATE: Final = 10 * MICROSECONDS
"""How much later than it was received an event may have been written: twice as long as ingest lets anybody wait."""


async def stretch_of(log: LogReader, since: int | None, until: int | None) -> tuple[int, int]:
    """Return offsets `start <= offset < end` that hold all that is kept and was received in `since <= at < until`
    (microseconds; None: since ever, up to now). An empty stretch has its end at its start. Raises `StoreError`.
    """
    start = await log.first() if since is None else await log.offset_at(since)
    end = await log.end() if until is None else await log.offset_before(until + LATE)
    return start, max(start, end)


def is_in(received_at: int, since: int | None, until: int | None) -> bool:
    """Tell whether an event was received in that time."""
    return (since is None or since <= received_at) and (until is None or received_at < until)
