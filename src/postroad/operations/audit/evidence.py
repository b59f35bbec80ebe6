"""What lies beside the books and has to fit them: whose ledger it is, which accounts there were, where they start."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from postroad.ledger.base import Account, LedgerReader
from postroad.log.base import LogReader, number_of
from postroad.rejections import Counts

_NO_ENDS = (
    "the log has events, and neither ends.json nor log-ends.json is there and whole: nobody can tell whether events are"
    " missing at its beginning or its end; it is written again when Postroad starts"
)
_DOUBTFUL = (
    "ends.json and log-ends.json were gone or damaged when Postroad opened the log: whether events before block {} were"
    " cut off, nobody can tell; this stays until retention has passed them"
)
_NO_BOOKS = (
    "the log has events, destinations are configured, and the ledger has no account: either delivery never ran here, or"
    " the ledger is lost and with it what was still owed; put it back from a backup, or replay that time"
)


class Expected(NamedTuple):
    """What the configuration and the data folder say of a region's destinations: those that are configured, and from
    which offset on those are owed events that have a starting offset; and whether anybody ever opened the ledger.
    """

    destinations: Collection[str] = ()
    starting_offsets: Mapping[str, int] = {}
    had_ledger: bool = True


async def log_evidence(log: LogReader, accepted: int) -> list[str]:
    """Return what is wrong with what stands beside a log that stored `accepted` events."""
    ends = await log.ends()
    if accepted and await log.identity() is not None and ends is None:
        return [_NO_ENDS]
    if ends is not None and ends.doubtful > ends.first:
        return [_DOUBTFUL.format(ends.doubtful)]
    return []


def hash_evidence(wrong: Iterable[tuple[int, int]]) -> list[str]:
    """Return what is wrong with the hashes of the log's keys, by its blocks that have wrong ones, and how many."""
    found = list(wrong)
    if not found:
        return []
    total, first = sum(count for _, count in found), found[0][0]
    where = f"{len(found)} blocks of the log, the first of them block {first}"
    return [f"{total} keys in {where}, have a wrong hash: these events are stored twice when they come again"]


async def ledger_evidence(log: LogReader, ledger: LedgerReader, expected: Expected, accepted: int) -> list[str]:
    """Return what is wrong with a ledger as a whole, beside a log that stored `accepted` events. Call it while the
    ledger is as it was before the log's end is asked for.
    """
    accounts = await ledger.accounts()
    is_owed_all = not expected.had_ledger and expected.starting_offsets.keys() >= set(expected.destinations)
    if accepted and expected.destinations and not accounts and not is_owed_all:
        return [_NO_BOOKS]
    return [
        *await _identities(log, ledger),
        *[f"account {number} was opened and is not in the ledger any more" for number in await ledger.missing()],
        *_ends(accounts),
        *await _cursors(log, accounts),
        *_unannounced(accounts, expected, accepted),
    ]


def rejection_evidence(counts: Counts, found: Counts) -> list[str]:
    """Return what is wrong with the rejections: with their counts, and with what was found of them."""
    problems = [
        f"of {count.recorded} rejections ({name}), {count.kept} are kept, {count.evicted} were evicted"
        f" and {count.removed} removed: that is {count.kept + count.evicted + count.removed}"
        for name, count in counts._asdict().items()
        if count.recorded != count.kept + count.evicted + count.removed
    ]
    return problems + [
        f"the book of rejections ({name}) says that {told.kept} are kept with {told.size} bytes,"
        f" and there are {there.kept} with {there.size}"
        for name, told, there in zip(counts._fields, counts, found, strict=True)
        if (told.kept, told.size) != (there.kept, there.size)
    ]


async def _identities(log: LogReader, ledger: LedgerReader) -> list[str]:
    mine, theirs = await log.identity(), await ledger.identity()
    if mine is None or theirs is None or mine[0] == theirs[0]:
        return []
    return [
        f"the ledger belongs to the log {theirs[0]}, and the log that is here is {mine[0]}: they are not of one kind"
    ]


def _ends(accounts: Sequence[Account]) -> list[str]:
    return [
        f"account {account.number} ({account.destination}) has an end that nobody set: neither when nor why is known"
        for account in accounts
        if account.replay is None and account.end is not None and not account.ended_by
    ]


async def _cursors(log: LogReader, accounts: Sequence[Account]) -> list[str]:
    end = await log.end()
    return [
        f"account {account.number} ({account.destination}) has come to block {number_of(account.cursor)},"
        f" and the log ends before block {number_of(end)}"
        for account in accounts
        if account.replay is None and account.cursor > end
    ]


def _unannounced(accounts: Sequence[Account], expected: Expected, accepted: int) -> list[str]:
    """Without starting offsets nobody knows from when on a destination without an account is owed events."""
    if not accepted or expected.starting_offsets:
        return []
    live = {account.destination for account in accounts if account.replay is None and account.end is None}
    return [
        f"destination {name} has no account, and destinations.json, which says from when on it is owed events, is not"
        " there or can't be read"
        for name in sorted(set(expected.destinations) - live)
    ]
