"""Replays, stretches of the log delivered once more: begun, stopped, and listed with how far they have come."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from postroad.errors import UsageError
from postroad.ledger.base import ABANDONED, Account, Outcome
from postroad.log.received import stretch_of
from postroad.operations.asking import Asked, Delivered, Moment, Number, chosen, flag
from postroad.operations.destinations import WHY_HELD
from postroad.regions import Region

ENDED = "ended"
"""The state of a replay that owes nothing any more."""


Rate = Annotated[float, msgspec.Meta(gt=0)]


class ReplayLimits(Asked, frozen=True, rename={"since": "from", "until": "to"}):
    """What is replayed: the events that were received from `from` to before `to` (all, to now, when left out), only
    those of these names, at most `rate` a second.
    """

    since: Annotated[
        Moment | None, flag("TIME", "Received since: ISO 8601, or 1h for an hour ago; else from the first.")
    ] = None
    until: Annotated[Moment | None, flag("TIME", "Received before; else up to now.")] = None
    events: Annotated[list[str] | None, flag("NAME", "Only these; may be repeated.", "event")] = None
    rate: Annotated[Rate | None, flag("N", "At most so many events a second.")] = None


class ReplayWanted(ReplayLimits, frozen=True, kw_only=True):
    """A replay to begin."""

    region: str
    destination: str


class ReplayPlace(Asked, frozen=True):
    """One replay. `number` is its account's."""

    region: str
    number: Number


class ReplayBegun(msgspec.Struct, frozen=True):
    """A replay that has begun; `total` events are in its stretch."""

    region: str
    number: int
    total: int


class Stopped(msgspec.Struct, frozen=True):
    """A replay has ended where it had come to."""


class ReplayStatus(msgspec.Struct, frozen=True):
    """One replay. `number` is its account's, `opened_at` in microseconds.

    `passed` of the `total` events that are kept in its stretch were looked at; those that it has no claim to, because
    of their names or of when they were received (`since <= at < until`, microseconds), are in neither outcome.
    `waiting` are to be tried again. `outcomes` has the others.
    """

    region: str
    number: int
    destination: str
    events: Sequence[str] | None
    rate: float | None
    opened_at: int
    state: str
    passed: int
    total: int
    waiting: int
    outcomes: Mapping[str, int]
    since: int | None
    until: int | None


class ReplaysPage(msgspec.Struct, frozen=True):
    """All replays."""

    replays: Sequence[ReplayStatus]


async def list_replays(delivered: Delivered) -> ReplaysPage:
    """Return all replays by region and number. Raises `StoreError`."""
    found = [one for here in delivered.values() for one in await replays(here.region, here.engine.replay_states())]
    return ReplaysPage(found)


async def begin_replay(delivered: Delivered, wanted: ReplayWanted) -> ReplayBegun:
    """Begin a replay. Raises `UsageError` when there is nothing to replay, or nobody to replay it to, and
    `StoreError`.
    """
    here = chosen(delivered, wanted.region)[wanted.region]
    log = here.region.log
    start, end = await stretch_of(log, wanted.since, wanted.until)
    total = await log.count_from(start) - await log.count_from(end)
    if end <= start or total == 0:
        raise UsageError("no event that is kept came in that time; there is nothing to replay")
    account = await here.engine.open_replay(
        wanted.destination,
        start=start,
        end=end,
        events=wanted.events or None,
        rate=wanted.rate,
        since=wanted.since,
        until=wanted.until,
    )
    return ReplayBegun(wanted.region, account.number, total)


async def stop_replay(delivered: Delivered, place: ReplayPlace) -> Stopped:
    """End a replay where it has come to. Raises `UsageError` when it is none, and `StoreError`; it goes on then."""
    await chosen(delivered, place.region)[place.region].engine.stop_replay(place.number)
    return Stopped()


async def replays(region: Region, states: Mapping[int, str] | None = None) -> Sequence[ReplayStatus]:
    """Return all replays of a region by number. `states` is what those that run are doing, None when nobody knows.
    Raises `StoreError`.
    """
    unsaid = "not running" if states is None else "waiting"
    return [
        await _status(region, account, _state(account, region, states or {}, unsaid))
        for account in await region.ledger.accounts()
        if account.replay is not None
    ]


def _state(account: Account, region: Region, states: Mapping[int, str], unsaid: str) -> str:
    if account.ended_by == ABANDONED:
        return "abandoned"
    return states.get(account.number, unsaid) if account.destination in region.configured else WHY_HELD


async def _status(region: Region, account: Account, state: str) -> ReplayStatus:
    limits: dict[str, Any] = msgspec.json.decode(account.replay or "{}")
    log, totals = region.log, await region.ledger.totals(account.number)
    from_start = await log.count_from(account.start)
    owes = account.end is None or account.cursor < account.end or totals.get(Outcome.RETRY, 0) > 0
    after_end = 0 if account.end is None else await log.count_from(account.end)
    return ReplayStatus(
        region=region.name,
        number=account.number,
        destination=account.destination,
        events=limits.get("events"),
        rate=limits.get("rate"),
        opened_at=account.opened_at,
        state=state if owes else ENDED,
        passed=from_start - max(await log.count_from(account.cursor), after_end),
        total=from_start - after_end,
        waiting=totals.get(Outcome.RETRY, 0),
        outcomes={outcome.name.lower(): count for outcome, count in sorted(totals.items()) if outcome != Outcome.RETRY},
        since=limits.get("since"),
        until=limits.get("until"),
    )
