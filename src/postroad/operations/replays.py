"""Replays as they are shown: what they are limited to, and how far they have come."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from postroad.ledger.base import ABANDONED, Account, LedgerReader, Outcome
from postroad.log.base import LogReader
from postroad.operations.destinations import WHY_HELD

ENDED = "ended"
"""The state of a replay that owes nothing any more."""


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


async def replays(
    region: str,
    log: LogReader,
    ledger: LedgerReader,
    configured: Collection[str],
    states: Mapping[int, str] | None = None,
) -> Sequence[ReplayStatus]:
    """Return all replays of a region by number. `configured` are the ids of its destinations, `states` is what those
    that run are doing, None when nobody knows.
    """
    unsaid = "not running" if states is None else "waiting"
    return [
        await _status(region, account, log, ledger, _state(account, configured, states or {}, unsaid))
        for account in await ledger.accounts()
        if account.replay is not None
    ]


def _state(account: Account, configured: Collection[str], states: Mapping[int, str], unsaid: str) -> str:
    if account.ended_by == ABANDONED:
        return "abandoned"
    return states.get(account.number, unsaid) if account.destination in configured else WHY_HELD


async def _status(region: str, account: Account, log: LogReader, ledger: LedgerReader, state: str) -> ReplayStatus:
    limits: dict[str, Any] = msgspec.json.decode(account.replay or "{}")
    totals = await ledger.totals(account.number)
    from_start = await log.count_from(account.start)
    owes = account.end is None or account.cursor < account.end or totals.get(Outcome.RETRY, 0) > 0
    after_end = 0 if account.end is None else await log.count_from(account.end)
    return ReplayStatus(
        region=region,
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
