"""One event's story: what came, and what became of it at every destination."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from postroad.contract.stored import make_key, read_key, unpack
from postroad.ledger.base import Account, Attempt, DeadLetter, LedgerReader, Outcome, RetryRow
from postroad.log.base import Record, number_of, position_of
from postroad.operations.asking import Asked, Regions
from postroad.regions import Region

_PAGE: Final = 1000

MEANINGS: Final = {
    Outcome.PENDING: "waiting for its first try",
    Outcome.DELIVERED: "delivered",
    Outcome.RETRY: "waiting for another try",
    Outcome.DEAD: "given up: a dead letter, which can be resent",
    Outcome.DROPPED: "given up for good by the operator",
    Outcome.EXPIRED: "not delivered before retention removed it",
    Outcome.ERASED: "removed by a privacy request",
    Outcome.ABANDONED: "not delivered when the destination was abandoned",
    Outcome.LOST: "lost: its bytes were damaged or gone from the log before it was settled",
    Outcome.EVICTED: "given up: a dead letter that went because more were kept than the quota allows",
    Outcome.FILTERED_INTEGRATIONS: "filtered: its `integrations` keep it from here",
    Outcome.FILTERED_EVENTS: "filtered: its name is not in the destination's `events`",
    Outcome.FILTERED_DISABLED: "filtered: the destination was not enabled",
    Outcome.FILTERED_UNSUPPORTED: "filtered: the destination can't take this kind of event",
    Outcome.FILTERED_TRANSFORM: "filtered: the transform dropped it",
}
"""What each outcome means to a person."""


class Try(msgspec.Struct, frozen=True):
    """One try that did not deliver: when (microseconds), the HTTP status (0: none), why, and what came back."""

    at: int
    status: int
    why: str
    answer: str


class Delivery(msgspec.Struct, frozen=True):
    """What became of the event in one account. `due_at` is in microseconds, None when no try is planned.

    `tries` is None where nobody counts any more: it is settled. `why` is why it waits for another try, "" when it
    doesn't. `batch` is how many events are sent together with it as often as it takes, itself included; None when it
    is in no such frozen batch. Those of a batch stay `pending` until all of it is settled.
    """

    destination: str
    account: int
    replay: str | None
    outcome: str
    meaning: str
    tries: int | None
    due_at: int | None
    why: str
    batch: int | None
    failed: Sequence[Try]


class Story(msgspec.Struct, frozen=True):
    """An event as it came, and its deliveries. Times are microseconds."""

    region: str
    source: str
    message_id: str
    offset: int
    received_at: int
    type: str
    event: str
    kind: str | None
    violations: Sequence[str]
    body: msgspec.Raw
    deliveries: Sequence[Delivery]


class StoryQuery(Asked, frozen=True):
    """Which event is meant: the one with this message id, of a configured source or of one of these."""

    message_id: str
    source: Sequence[str] = ()


async def stories(regions: Regions, sources_in: Callable[[str], Iterable[str]], asked: StoryQuery) -> Sequence[Story]:
    """Return the events that are meant by region and source. `sources_in` returns the configured ones of a region.
    Raises `StoreError`.
    """
    return [
        await _story(region, record)
        for region in regions.values()
        for source in dict.fromkeys([*sources_in(region.name), *asked.source])
        if (record := await _find(make_key(source, asked.message_id), region)) is not None
    ]


async def _find(key: bytes, region: Region) -> Record | None:
    """Find it in the log, or among the dead letters, which outlive it there."""
    record = await region.log.find(key)
    if record is not None:
        return record
    ledger = region.ledger
    for account in await ledger.accounts():
        after = -1
        while letters := await ledger.dead(account.number, after=after, limit=_PAGE):
            for letter in letters:
                if letter.key == key:
                    return Record(letter.offset, letter.key, letter.value)
            after = letters[-1].offset
    return None


async def _story(region: Region, record: Record) -> Story:
    ledger = region.ledger
    source, message_id = read_key(record.key)
    event = unpack(record.value)
    found = [await _delivery(account, record.offset, ledger) for account in await ledger.accounts()]
    return Story(
        region=region.name,
        source=source,
        message_id=message_id,
        offset=record.offset,
        received_at=event.received_at,
        type=event.type.wire,
        event=event.name,
        kind=event.kind.event if event.kind else None,
        violations=[problem.sentence for problem in event.violations],
        body=msgspec.Raw(event.body),
        deliveries=[delivery for delivery in found if delivery is not None],
    )


async def _delivery(account: Account, offset: int, ledger: LedgerReader) -> Delivery | None:
    if offset < account.start or (account.end is not None and offset >= account.end):
        return None
    retry = next(iter(await ledger.retries(account.number, due_at=None, offset=offset, limit=1)), None)
    letter = next(iter(await ledger.dead(account.number, offset=offset, limit=1)), None)
    outcome = await _outcome(account, offset, ledger, retry, letter)
    if outcome == Outcome.OUT_OF_ACCOUNT:
        return None
    failed = await ledger.attempts(account.number, offset)
    batch = next((one for one in await ledger.frozen(account.number) if offset in one.offsets), None)
    row, waits = batch or retry or letter, batch or retry
    meaning = Outcome.RETRY if batch and batch.why else outcome
    return Delivery(
        destination=account.destination,
        account=account.number,
        replay=account.replay,
        outcome="settled" if outcome is None else outcome.name.lower(),
        meaning=_SETTLED if meaning is None else MEANINGS[meaning],
        tries=row.tries if row else 0 if outcome == Outcome.PENDING else None,
        due_at=waits.due_at if waits else None,
        why=waits.why if waits else "",
        batch=len(batch.offsets) if batch else None,
        failed=[read_try(attempt) for attempt in failed],
    )


_SETTLED: Final = "settled before retention removed it; how is only counted"


async def _outcome(
    account: Account, offset: int, ledger: LedgerReader, retry: RetryRow | None, letter: DeadLetter | None
) -> Outcome | None:
    """Return the outcome of one record; None when the ledger forgot it."""
    if retry is not None or letter is not None:
        return Outcome.RETRY if retry is not None else Outcome.DEAD
    codes = await ledger.outcomes(account.number, number_of(offset))
    if position_of(offset) < len(codes):
        return Outcome(codes[position_of(offset)])
    return Outcome.PENDING if offset >= account.cursor else None


def read_try(attempt: Attempt) -> Try:
    """Return an attempt of the ledger as it is shown."""
    return Try(attempt.at, attempt.status, attempt.why, attempt.answer)
