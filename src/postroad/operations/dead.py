"""Dead letters: which are meant, listed, shown, resent and dropped, those of ended accounts too."""

import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from functools import partial
from typing import Annotated, Final

import msgspec

from postroad.clock import Clock
from postroad.contract.stored import read_key, unpack
from postroad.errors import UsageError
from postroad.ledger.base import Account, DeadLetter, LedgerReader
from postroad.ledger.needs import is_bounded
from postroad.operations.asking import (
    MOST,
    Asked,
    Delivered,
    DeliveredRegion,
    Limit,
    Moment,
    NotThere,
    Number,
    Regions,
    WrongField,
    chosen,
    flag,
)
from postroad.operations.story import Try, read_try

_PAGE: Final = 500


class DeadFilter(Asked, frozen=True):
    """Which dead letters are meant: those that fit everything that is not None. `since` and `until` are when they died,
    `why` is a part of the reason, in small or capital letters.
    """

    region: Annotated[str | None, flag("NAME", "Only this region.")] = None
    destination: Annotated[str | None, flag("ID", "Only of this destination.")] = None
    event: Annotated[str | None, flag("NAME", "Only events of this name.")] = None
    since: Annotated[Moment | None, flag("TIME", "Only died since: ISO 8601, or 1h for an hour ago.")] = None
    until: Annotated[Moment | None, flag("TIME", "Only died before.")] = None
    why: Annotated[str | None, flag("TEXT", "Only with this text in the reason.")] = None
    message_id: Annotated[str | list[str] | None, flag("ID", "Only this event; may be repeated.")] = None

    @property
    def message_ids(self) -> set[str] | None:
        """The message ids that are meant; None: whichever."""
        given = [self.message_id] if isinstance(self.message_id, str) else self.message_id
        return None if given is None else set(given)


class DeadQuery(DeadFilter, frozen=True):
    """A page of a list. `after` is the `next` of the page before."""

    after: str | None = None
    limit: Limit = 100


class DeadPlace(Asked, frozen=True):
    """Where a dead letter is. Places are in the order in which dead letters are listed within a region."""

    region: str
    account: Number
    offset: Number


class DeadChange(Asked, frozen=True):
    """The dead letters of one account to resend or to drop; those that are none are left alone."""

    region: str
    account: Number
    offsets: Annotated[list[Number], msgspec.Meta(max_length=MOST)]


class DeadEntry(msgspec.Struct, frozen=True):
    """A dead letter in a list. Times are microseconds.

    `account` tells it from those of the same event in other accounts: `replay` says whether that is a replay.
    `served` is false when its destination is held, or was abandoned: it can only be dropped as long as that is so.
    """

    region: str
    account: int
    destination: str
    replay: bool
    served: bool
    offset: int
    source: str
    message_id: str
    event: str
    died_at: int
    first_at: int
    tries: int
    why: str


class DeadPage(msgspec.Struct, frozen=True):
    """A page of a list. `next` is where it goes on, None at its end."""

    dead: Sequence[DeadEntry]
    next: str | None


class DeadStory(msgspec.Struct, frozen=True):
    """A dead letter with every try that failed, oldest first, and the event's body. The letter's own `tries` and
    `first_at` are of all of these, also of those before it was resent and those that did not count.
    """

    letter: DeadEntry
    failed: Sequence[Try]
    body: msgspec.Raw


class Resent(msgspec.Struct, frozen=True):
    """How many dead letters became retries that are due now."""

    resent: int


class Dropped(msgspec.Struct, frozen=True):
    """How many dead letters were given up for good."""

    dropped: int


async def dead_letters(
    regions: Regions, wanted: DeadFilter, *, offsets: Collection[int] | None = None, after: DeadPlace | None = None
) -> AsyncIterator[DeadEntry]:
    """Yield the dead letters that are meant by region, account and offset: only those at `offsets` unless it is None,
    only those behind `after`. Raises `UsageError` for a region that is not there, and `StoreError`.
    """
    names = list(chosen(regions, wanted.region))
    for name in names if after is None else names[names.index(after.region) :]:
        ledger = regions[name].ledger
        accounts = await ledger.accounts()
        served = served_accounts(accounts, regions[name].configured)
        first, last = (0, -1) if after is None or after.region != name else (after.account, after.offset)
        for account in accounts:
            if account.number < first or wanted.destination not in {None, account.destination}:
                continue
            behind = last if account.number == first else -1
            async for letter in _letters(account.number, ledger, wanted, offsets, behind):
                yield _entry(name, account, letter, served=account.number in served)


async def list_dead(regions: Regions, asked: DeadQuery) -> DeadPage:
    """Return a page of the dead letters that are meant. Raises as `dead_letters` does, and for a wrong `after`."""
    found: list[DeadEntry] = []
    async for entry in dead_letters(regions, asked, after=_read_after(asked.after, chosen(regions, asked.region))):
        if len(found) == asked.limit:
            last = found[-1]
            return DeadPage(found, f"{last.region}/{last.account}/{last.offset}")
        found.append(entry)
    return DeadPage(found, None)


async def show_dead(regions: Regions, place: DeadPlace) -> DeadStory:
    """Return one dead letter. Raises `NotThere`, `UsageError` for a region that is not there, and `StoreError`."""
    region = chosen(regions, place.region)[place.region]
    accounts = await region.ledger.accounts()
    served = served_accounts(accounts, region.configured)
    for account in accounts:
        if account.number == place.account:
            for letter in await region.ledger.dead(account.number, offset=place.offset, limit=1):
                failed = await region.ledger.attempts(account.number, letter.offset)
                entry = _entry(region.name, account, letter, served=account.number in served)
                if failed:  # what counted towards its age is less, after a resend or an outage, and is no other story
                    entry = msgspec.structs.replace(entry, tries=len(failed), first_at=failed[0].at)
                return DeadStory(entry, [read_try(one) for one in failed], msgspec.Raw(unpack(letter.value).body))
    raise NotThere(f"there is no dead letter {place.region}/{place.account}/{place.offset}")


async def resend_dead(delivered: Delivered, asked: DeadChange, clock: Clock) -> Resent:
    """Turn dead letters into retries that are due now, and tell whoever serves their destination. Raises `UsageError`
    when nobody would send them, or there is no such account, and `StoreError`.
    """
    here = chosen(delivered, asked.region)[asked.region]
    account = await _account(here, asked)
    accounts = await here.ledger.accounts()
    if account.number not in served_accounts(accounts, here.region.configured):
        if account.number in served_accounts(accounts, [account.destination]):
            why = f"{account.destination!r} is held: it is not in the configuration"
            raise UsageError(f"{why}; nobody would send its dead letters before its table is back")
        gone = f"the account {account.number} of {account.destination!r} has ended"
        raise UsageError(f"{gone}: nobody would send its dead letters; they can only be dropped")
    count = await here.ledger.resend(account.number, asked.offsets, clock.now())
    here.engine.poke(account.destination)
    return Resent(count)


async def drop_dead(delivered: Delivered, asked: DeadChange) -> Dropped:
    """Give dead letters up for good. Raises `UsageError` when there is no such account, and `StoreError`."""
    here = chosen(delivered, asked.region)[asked.region]
    account = await _account(here, asked)
    return Dropped(await here.ledger.drop(account.number, asked.offsets))


def served_accounts(accounts: Sequence[Account], configured: Collection[str]) -> Collection[int]:
    """Return the numbers of the accounts that somebody serves: those of a destination that is configured, but
    not what was abandoned of it before it came back.
    """
    live = {account.destination for account in accounts if account.replay is None and account.end is None}
    return {
        account.number
        for account in accounts
        if account.destination in live & set(configured) and (account.end is None or is_bounded(account))
    }


async def _account(here: DeliveredRegion, asked: DeadChange) -> Account:
    account = await here.ledger.account(asked.account)
    if account is None:
        raise UsageError(f"there is no account {asked.account} in region {asked.region!r}")
    return account


async def _letters(
    account: int, ledger: LedgerReader, wanted: DeadFilter, offsets: Collection[int] | None, after: int
) -> AsyncIterator[DeadLetter]:
    ids, why = wanted.message_ids, (wanted.why or "").casefold()
    read = partial(ledger.dead, account, label=wanted.event, since=wanted.since, until=wanted.until)

    def fits(letter: DeadLetter) -> bool:  # what the ledger can't narrow by
        return why in letter.why.casefold() and (ids is None or read_key(letter.key)[1] in ids)

    if offsets is not None:
        for offset in sorted(offset for offset in set(offsets) if offset > after):
            for letter in filter(fits, await read(offset=offset)):
                yield letter
        return
    while letters := await read(after=after, limit=_PAGE):
        for letter in filter(fits, letters):
            yield letter
        after = letters[-1].offset


def _entry(region: str, account: Account, letter: DeadLetter, *, served: bool) -> DeadEntry:
    source, message_id = read_key(letter.key)
    return DeadEntry(
        region=region,
        account=account.number,
        destination=account.destination,
        replay=account.replay is not None,
        served=served,
        offset=letter.offset,
        source=source,
        message_id=message_id,
        event=letter.label,
        died_at=letter.died_at,
        first_at=letter.first_at,
        tries=letter.tries,
        why=letter.why,
    )


def _read_after(text: str | None, regions: Collection[str]) -> DeadPlace | None:
    if text is None:
        return None
    with contextlib.suppress(ValueError, msgspec.ValidationError):
        given = dict(zip(("region", "account", "offset"), text.split("/"), strict=True))
        place = msgspec.convert(given, DeadPlace, strict=False)
        if place.region in regions:
            return place
    raise WrongField("after", "give the `next` of the list before, as it is")
