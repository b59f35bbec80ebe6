"""`postroad status`: how every region and destination is."""

import asyncio
from collections.abc import Mapping, Sequence

import typer

from postroad.cli.options import AsJson, ConfigFile, open_stores, read_config, verb
from postroad.cli.output import say, say_json, size, table, when
from postroad.cli.program import NOT_SO
from postroad.clock import MICROSECONDS, Clock, SystemClock
from postroad.config import Config
from postroad.config.units import write_duration
from postroad.operations.destinations import WHY_HELD
from postroad.operations.status import DestinationStatus, RegionStatus, StatusReport, report
from postroad.rejections import Count


def status(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show how every region and destination is.

    Works without a server. Ends with status 1 when a region does not accept or does not deliver, as while the server is
    stopped; a destination that fails or is held is no reason.
    """
    clock = SystemClock()
    found = asyncio.run(_report(read_config(config), clock))
    for region in found:
        if as_json:
            say_json(region)
        else:
            _tell(region.status, region.rejections, clock)
    if not all(region.status.accepting and region.status.delivering for region in found):
        raise typer.Exit(NOT_SO)


async def _report(config: Config, clock: Clock) -> Sequence[StatusReport]:
    async with open_stores(config, None, clock) as regions:
        return await report(regions, clock)


def _tell(region: RegionStatus, rejections: Mapping[str, Count], clock: Clock) -> None:
    accepting = "accepting" if region.accepting else "NOT ACCEPTING"
    say(f"region {region.region}: {accepting}, {'delivering' if region.delivering else 'NOT DELIVERING'}")
    if region.log_size is not None:
        say(f"  events      {region.appended} accepted, {region.duplicates} duplicates, {region.kept} kept")
        say(f"  log         {size(region.log_size)} in {region.segments} segments, from {when(region.first_at)}")
    say(f"  dedup       {_window(region.window_ids, region.window_since, clock)}")
    say(f"  of public   {_window(region.public_window_ids, region.public_window_since, clock)}")
    say(f"  queue       {'unknown' if region.queued is None else size(region.queued)} to be written")
    say(f"  disk        {size(region.free_disk)} free, ingest stops below {size(region.disk_floor)}")
    for name, requests in region.over_rate.items():
        say(f"  over rate   {requests} requests of {name} answered 429 since ingest started")
    for name, count in rejections.items():
        say(f"  rejections  {count.recorded} of {name}, {count.kept} kept, {count.evicted} evicted")
    if region.trouble:
        say(f"  trouble     {region.trouble}")
    say("")
    table(
        ("destination", "state", "waiting", "retrying", "dead", "oldest", "settled"),
        [
            (
                place.id,
                _in_a_word(place),
                place.waiting,
                place.retrying,
                place.dead,
                "-" if place.oldest_age is None else write_duration(round(place.oldest_age)),
                ", ".join(f"{count} {name}" for name, count in place.outcomes.items() if name not in {"retry", "dead"}),
            )
            for place in region.destinations
        ],
    )
    say("")
    explained = [place for place in region.destinations if place.state != _in_a_word(place)]
    for place in explained:
        back = f"; about {size(place.log_bytes)} of the log are kept for it" if place.state == WHY_HELD else ""
        say(f"{place.id}: {place.state}{back}")
    if explained:
        say("")


def _in_a_word(place: DestinationStatus) -> str:
    """Return what its loop is doing without the reason, which may be long."""
    return place.state.partition(":")[0].partition(";")[0]


def _window(ids: int | None, since: int | None, clock: Clock) -> str:
    if ids is None:
        return "unknown: ingest is not running"
    if since is None:
        return "no message ids yet"
    seconds = (clock.now() - since) // MICROSECONDS
    return f"{ids} message ids of the last {write_duration(float(seconds))}"


app = verb(status)
