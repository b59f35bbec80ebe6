"""Dead letters as people look for them: narrowed, in order, a page at a time, of ended accounts too."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from postroad.contract.stored import read_key, unpack
from postroad.ledger.base import Account, DeadLetter, LedgerReader
from postroad.ledger.needs import is_stretch
from postroad.operations.story import Try, read_try

_PAGE: Final = 500


class Narrowed(NamedTuple):
    """Which dead letters are meant: those that fit everything that is not None.

    They died at `since` or later and before `until` (microseconds). `why` is a part of the reason, in small or
    capital letters.
    """

    destination: str | None = None
    event: str | None = None
    since: int | None = None
    until: int | None = None
    why: str | None = None
    message_ids: Collection[str] | None = None
    offsets: Collection[int] | None = None


class Place(NamedTuple):
    """Where a dead letter is. Places are in the order in which dead letters are listed within a region."""

    region: str
    account: int
    offset: int


class Found(NamedTuple):
    """A dead letter, and whose it is. `served` says whether anybody would send it again."""

    region: str
    account: Account
    letter: DeadLetter
    served: bool

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.region, self.account.number, self.letter.offset)

    @property
    def message_id(self) -> str:
        """The message id of its event."""
        return read_key(self.letter.key)[1]


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


class DeadStory(msgspec.Struct, frozen=True):
    """A dead letter with every try that failed, oldest first, and the event's body."""

    letter: DeadEntry
    failed: Sequence[Try]
    body: msgspec.Raw


async def dead_letters(
    ledgers: Mapping[str, LedgerReader],
    narrowed: Narrowed,
    configured: Mapping[str, Collection[str]],
    after: Place | None = None,
) -> AsyncIterator[Found]:
    """Yield the dead letters that are meant by region, account and offset; only those behind `after`. `configured` has
    the ids of the destinations of each region.
    """
    begun = after is None
    for region, ledger in ledgers.items():
        here = after is not None and after.region == region
        if not begun and not here:
            continue
        begun = True
        accounts = await ledger.accounts()
        served = served_accounts(accounts, configured[region])
        for account in accounts:
            if narrowed.destination not in {None, account.destination}:
                continue
            if after is not None and here and account.number < after.account:
                continue
            last = after.offset if after is not None and here and account.number == after.account else -1
            async for letter in _of_account(account.number, ledger, narrowed, last):
                yield Found(region, account, letter, account.number in served)


def served_accounts(accounts: Sequence[Account], configured: Collection[str]) -> Collection[int]:
    """Return the numbers of the accounts that somebody serves: those of a destination that is configured, but
    not what was abandoned of it before it came back.
    """
    live = {account.destination for account in accounts if account.replay is None and account.end is None}
    return {
        account.number
        for account in accounts
        if account.destination in live & set(configured) and (account.end is None or is_stretch(account))
    }


def entry_of(found: Found) -> DeadEntry:
    """Return what a list shows of a dead letter."""
    source, message_id = read_key(found.letter.key)
    return DeadEntry(
        region=found.region,
        account=found.account.number,
        destination=found.account.destination,
        replay=found.account.replay is not None,
        served=found.served,
        offset=found.letter.offset,
        source=source,
        message_id=message_id,
        event=found.letter.label,
        died_at=found.letter.died_at,
        first_at=found.letter.first_at,
        tries=found.letter.tries,
        why=found.letter.why,
    )


async def dead_story(found: Found, ledger: LedgerReader) -> DeadStory:
    """Return a dead letter with its failed tries and its event."""
    attempts = await ledger.attempts(found.account.number, found.letter.offset)
    body = msgspec.Raw(unpack(found.letter.value).body)
    return DeadStory(entry_of(found), [read_try(attempt) for attempt in attempts], body)


async def _of_account(account: int, ledger: LedgerReader, narrowed: Narrowed, after: int) -> AsyncIterator[DeadLetter]:
    if narrowed.offsets is not None:
        for offset in sorted(offset for offset in set(narrowed.offsets) if offset > after):
            for letter in await ledger.dead(
                account, offset=offset, label=narrowed.event, since=narrowed.since, until=narrowed.until
            ):
                if _fits(letter, narrowed):
                    yield letter
        return
    while letters := await ledger.dead(
        account, label=narrowed.event, since=narrowed.since, until=narrowed.until, after=after, limit=_PAGE
    ):
        for letter in letters:
            if _fits(letter, narrowed):
                yield letter
        after = letters[-1].offset


def _fits(letter: DeadLetter, narrowed: Narrowed) -> bool:
    """Test what the ledger can't narrow by."""
    if narrowed.why is not None and narrowed.why.casefold() not in letter.why.casefold():
        return False
    return narrowed.message_ids is None or read_key(letter.key)[1] in narrowed.message_ids
