"""`/livez` and `/readyz`: whether the process answers, and whether it accepts and delivers."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from postroad.errors import StoreError
from postroad.operations.status import RegionStatus
from postroad.web.answers import Answer, unavailable

Look = Callable[[], Awaitable[Sequence[RegionStatus]]]


class _Region(msgspec.Struct, frozen=True):
    region: str
    accepting: bool
    delivering: bool


async def livez() -> Answer:
    """Answer 200: the event loop turns."""
    return Answer(200, b'{"status":"ok"}')


async def readyz(look: Look) -> Answer:
    """Answer 200 when every region accepts events, else 503.

    A region that accepts but doesn't deliver is ready: what it takes is safe in the log. The body tells both, and
    nothing of the destinations: anybody may ask. 503, too, when the log can't be read.
    """
    try:
        found = await look()
    except StoreError:
        return unavailable("the state of the stores can't be read; the server's log says why")
    regions = [
        _Region(
            status.region,
            status.accepting,
            status.delivering,
        )
        for status in found
    ]
    accepting = all(region.accepting for region in regions)
    body = {
        "accepting": accepting,
        "delivering": all(region.delivering for region in regions),
        "regions": regions,
    }
    return Answer(200 if accepting else 503, msgspec.json.encode(body))
