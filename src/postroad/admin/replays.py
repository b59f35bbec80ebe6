"""`/api/replays`: stretches of the log delivered once more."""

from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from postroad.admin.asking import read_body, read_time, tell
from postroad.admin.regions import DeliveredRegion, region_named
from postroad.log.received import stretch_of
from postroad.operations.replays import replays


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """A replay to open: the events that were received from `from` to before `to` (all, to now, when left out), only
    those of these names, at most `rate` a second. Times are microseconds or ISO 8601.
    """

    region: str
    destination: str
    since: int | str | None = None
    until: int | str | None = None
    events: list[str] | None = None
    rate: float | None = None


class ReplaysApi:
    """The endpoints."""

    def __init__(self, regions: Mapping[str, DeliveredRegion]) -> None:
        self._regions = regions

    async def list(self, _request: Request) -> Response:
        """Tell every replay and how far it has come."""
        found = [
            status
            for name, (region, ledger, engine) in self._regions.items()
            for status in await replays(name, region.log, ledger, region.configured, engine.replay_states())
        ]
        return tell({"replays": found})

    async def open(self, request: Request) -> Response:
        """Begin a replay and tell its number."""
        wanted = await read_body(request, Wanted)
        region, _, engine = region_named(self._regions, wanted.region)
        since, until = (_moment(*given) for given in (("from", wanted.since), ("to", wanted.until)))
        start, end = await stretch_of(region.log, since, until)
        total = await region.log.count_from(start) - await region.log.count_from(end)
        if end <= start or total == 0:
            raise HTTPException(400, "no event that is kept came in that time; there is nothing to replay")
        account = await engine.open_replay(
            wanted.destination,
            start=start,
            end=end,
            events=wanted.events or None,
            rate=wanted.rate,
            since=since,
            until=until,
        )
        return tell({"region": wanted.region, "number": account.number, "total": total})

    async def stop(self, request: Request) -> Response:
        """End a replay where it has come to."""
        region = region_named(self._regions, request.path_params["region"])
        await region.engine.stop_replay(request.path_params["number"])
        return tell({})


def _moment(name: str, given: int | str | None) -> int | None:
    return read_time(name, given) if isinstance(given, str) else given
