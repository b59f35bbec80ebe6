"""The books of one account, compared with the log record by record while the log's blocks go by."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from postroad.ledger.base import Account, LedgerReader, Lost, Outcome
from postroad.ledger.hold import holds_of
from postroad.log.base import Block, number_of, offset_of
from postroad.operations.audit.losses import LostRows, blocks_in_words, share_of, unread_of

MOST_PROBLEMS: Final = 20
"""Problems that are told of one account; the others are only counted."""

_PAGE = 256
_ROWS = 5000
_COUNT_AT = 1 << 20
_UNCOUNTED = (Outcome.PENDING, Outcome.OUT_OF_ACCOUNT)
_NO_CLAIM = bytes(_UNCOUNTED)
_WITH_ROWS: Final = {Outcome.RETRY: "retries", Outcome.DEAD: "dead letters"}


class AccountBooks(msgspec.Struct, frozen=True):
    """One account's columns. `owed` is what the log says, `sum` what the columns add up to.

    `pending` counts records without an outcome yet, `outcomes` all others by name. `problems` are
    sentences, at most `MOST_PROBLEMS` of them; `faults` is how many there are. `held` is the sentence of a destination
    that the operator holds.
    """

    destination: str
    account: int
    replay: str | None
    open: bool
    owed: int
    pending: int
    outcomes: Mapping[str, int]
    sum: int
    balanced: bool
    faults: int
    problems: Sequence[str]
    held: str = ""


class _Kept(NamedTuple):
    number: int
    codes: bytes


class AccountCheck:
    """Takes the log's blocks in order, then `finish`. The ledger must not change meanwhile.

    `first` is the offset of the log's first kept block: what is below was retired. `lost` are the account's.
    """

    def __init__(self, account: Account, ledger: LedgerReader, first: int, lost: Sequence[Lost] = ()) -> None:
        self.account = account
        """Whose books these are."""
        self._ledger = ledger
        self._first = number_of(first)
        self._lost = LostRows(lost)
        self._kept: list[_Kept] = []
        self._at = 0
        self._after = -1
        self._rows = [_Rows(account.number, outcome, name, ledger) for outcome, name in _WITH_ROWS.items()]
        self._owed = 0
        self._pending = 0
        self._retired = 0
        self._counts: Counter[int] = Counter()
        self._uncounted = bytearray()
        self._faults = 0
        self._problems: list[str] = []

    async def take(self, number: int, count: int) -> None:
        """Compare the next block of the log, which has `count` records."""
        kept = await self._next()
        while kept is not None and kept.number < number:
            await self._take_stray(kept)
            kept = await self._next()
        codes = b""
        if kept is not None and kept.number == number:
            self._at += 1
            codes = kept.codes
        await self._compare(number, count, codes)

    async def take_lost(self, stretch: Block, sizes: Mapping[int, int]) -> int:
        """Compare a stretch that the log can't read; `sizes` has those of its blocks that any account knows. Returns
        how many of its events are lost or still owed here: what was settled before has no need of the log.
        """
        pending, with_byte, known, unsent, last = self._pending, 0, 0, 0, number_of(stretch.end)
        share = share_of(self.account, stretch)
        while (kept := await self._next()) is not None and kept.number < last:
            if kept.number < stretch.number:
                await self._take_stray(kept)
                continue
            self._at += 1
            if (
                share is not None
                and share.start < offset_of(kept.number + 1, 0)
                and offset_of(kept.number, 0) < share.end
            ):
                with_byte += len(kept.codes)
                known += kept.codes.count(Outcome.LOST)
                unsent += await self._without_bytes(_places(kept.codes, Outcome.RETRY, offset_of(kept.number, 0)))
            await self._compare(kept.number, len(kept.codes), kept.codes)
        if share is None:
            return 0
        unread = unread_of(share, stretch, with_byte, sizes)
        written_off = self._lost.take(share.start, share.end, unread)
        self._counts[Outcome.LOST] += written_off
        self._owed += written_off
        rest = unread - written_off
        if not share.whole and (written_off or self.account.cursor >= share.end):
            rest = 0  # nobody knows how many are on which side: the ledger said it
        self._owed += rest
        self._pending += rest
        owed = self._pending - pending + unsent
        if owed:
            passed = self.account.cursor >= share.end and not unsent
            state = "were passed without an outcome" if passed else "are still owed"
            self._tell([f"{owed} events of {share.blocks} {state}, and the log can't read them any more"])
        return known + written_off + owed

    async def _without_bytes(self, retries: Sequence[int]) -> int:
        """Count the retries that have no bytes of their own."""
        count = 0
        for offset in retries:
            rows = await self._ledger.retries(self.account.number, due_at=None, offset=offset, limit=1)
            count += any(row.value is None for row in rows)
        return count

    async def finish(self, retired: int | None) -> AccountBooks:
        """Compare what is left and return the result. `retired` is how many records retention removed from
        the log, None when the log can't say.
        """
        while (kept := await self._next()) is not None:
            await self._take_stray(kept)
        forgotten = await self._ledger.forgotten(self.account.number)
        for rows in self._rows:
            self._tell(await rows.match([], None, self._first))
            told = forgotten.get(rows.outcome, 0)
            if rows.retired != told:
                said = f"{rows.retired} events that the log no longer has are among the {rows.name}"
                self._tell([f"{said}, and the totals say {told}"])
        self._count()
        retired_lost = self._lost.retired(self._first)
        self._counts[Outcome.LOST] += retired_lost
        for row in self._lost.rest():
            self._counts[Outcome.LOST] += row.records
            where = blocks_in_words(row.start, row.end)
            self._tell([f"{row.records} events of {where} are written off as lost, and the log does not miss them"])
        await self._compare_totals(forgotten)
        gone = sum(forgotten.values()) + retired_lost
        if retired is not None and self.account.start == 0 and self.account.end is None:
            self._compare_retired(retired, gone + self._retired)
        return self._result(forgotten, self._owed + gone)

    async def _next(self) -> _Kept | None:
        if self._at == len(self._kept):
            blocks = await self._ledger.blocks(self.account.number, after=self._after, limit=_PAGE)
            self._kept = [_Kept(*block) for block in blocks]
            self._at = 0
            if not self._kept:
                return None
            self._after = self._kept[-1].number
        return self._kept[self._at]

    async def _take_stray(self, kept: _Kept) -> None:
        """A block that the ledger has and the log has not: retired and not yet forgotten, or an error."""
        self._at += 1
        if kept.number < self._first:
            before = self._owed
            await self._compare(kept.number, len(kept.codes), kept.codes)
            self._retired += self._owed - before
        elif kept.codes.strip(_NO_CLAIM):
            self._uncounted += kept.codes
            self._tell([f"block {kept.number} has {len(kept.codes)} outcomes and is not in the log"])

    async def _compare(self, number: int, count: int, codes: bytes) -> None:
        start = offset_of(number, 0)
        low = min(max(self.account.start - start, 0), count)
        high = count if self.account.end is None else min(max(self.account.end - start, low), count)
        if codes and len(codes) != count:
            self._tell([f"block {number} has {count} events and {len(codes)} outcomes"])
        own = codes[low:high]
        if len(own) != len(codes) and (codes[:low] + codes[high:]).strip(_NO_CLAIM):
            self._tell([f"block {number} has outcomes of events that are not this account's"])
        self._owed += high - low - own.count(Outcome.OUT_OF_ACCOUNT)
        settled = len(own) - own.count(Outcome.PENDING)
        if settled < high - low:
            self._take_unsettled(start, low, own.ljust(high - low, b"\0"), has_bytes=bool(codes))
        self._uncounted += codes
        if len(self._uncounted) >= _COUNT_AT:
            self._count()
        for rows in self._rows:
            self._tell(await rows.match(_places(codes, rows.outcome, start), number, self._first))

    def _take_unsettled(self, start: int, low: int, own: bytes, *, has_bytes: bool) -> None:
        """Tell the events below the cursor that have no outcome; the others are pending. Those of a block without bytes
        may be written off as lost, should the log be able to read it again.
        """
        if not has_bytes and (back := self._lost.take(start + low, start + low + len(own), len(own))):
            self._counts[Outcome.LOST] += back
            low, own = low + back, own[back:]
        passed = min(max(self.account.cursor - start - low, 0), len(own))
        if start // offset_of(1, 0) < self._first:
            passed = len(own)
        lost = _places(own[:passed], Outcome.PENDING, start + low)
        self._tell([f"event {offset} was passed and has no outcome" for offset in lost])
        self._pending += own.count(Outcome.PENDING, passed)

    async def _compare_totals(self, forgotten: Mapping[Outcome, int]) -> None:
        totals = await self._ledger.totals(self.account.number)
        for code in sorted({*self._counts, *totals, *forgotten} - {*_UNCOUNTED}):
            total, found = totals.get(Outcome(code), 0), self._counts[code] + forgotten.get(Outcome(code), 0)
            if total != found:
                self._tell([f"the total of {_name(code)} is {total}, counted one by one it is {found}"])

    def _compare_retired(self, retired: int, here: int) -> None:
        if retired != here:
            self._tell([f"retention removed {retired} events from the log, and {here} of them are in these books"])

    def _count(self) -> None:
        """Count the outcomes collected so far, a code at a time: far quicker than event by event."""
        left = len(self._uncounted)
        for code in Outcome:
            count = self._uncounted.count(code)
            left -= count
            if code not in _UNCOUNTED:
                self._counts[code] += count
        if left:
            self._tell([f"{left} events have an outcome that this Postroad does not know"])
        self._uncounted.clear()

    def _tell(self, problems: Sequence[str]) -> None:
        if not problems:
            return
        self._faults += len(problems)
        self._problems += problems[: MOST_PROBLEMS - len(self._problems)]

    def _result(self, forgotten: Mapping[Outcome, int], owed: int) -> AccountBooks:
        counts = Counter({Outcome(code): count for code, count in self._counts.items() if count}) + Counter(forgotten)
        total = self._pending + sum(counts.values())
        return AccountBooks(
            destination=self.account.destination,
            account=self.account.number,
            replay=self.account.replay,
            open=self.account.end is None,
            owed=owed,
            pending=self._pending,
            outcomes={_name(outcome): count for outcome, count in sorted(counts.items())},
            sum=total,
            balanced=not self._faults and total == owed,
            faults=self._faults,
            problems=self._problems,
            held="".join(hold.sentence for hold in holds_of([self.account]).values()),
        )


class _Rows:
    """The rows of retry or of dead letters of one account, matched with the outcome bytes block by block."""

    def __init__(self, account: int, outcome: Outcome, name: str, ledger: LedgerReader) -> None:
        self.outcome = outcome
        self.name = name
        self.retired = 0
        """Rows of blocks that the ledger forgot."""
        self.account = account
        self._ledger = ledger
        self._page: Sequence[int] = ()
        self._at = 0
        self._after = -1
        self._ended = False

    async def match(self, coded: Sequence[int], number: int | None, first: int) -> list[str]:
        """Compare the rows up to and with block `number` (all that are left when None) with the offsets that
        have the outcome in that block, and return what is wrong. Blocks below `first` were retired.
        """
        without = set(coded)
        problems: list[str] = []
        while (offset := await self._peek()) is not None and (number is None or number_of(offset) <= number):
            self._at += 1
            if offset in without:
                without.remove(offset)
            elif number_of(offset) < first and number_of(offset) != number:
                self.retired += 1
            else:
                problems.append(f"event {offset} is among the {self.name}, and its outcome is another")
        if without:
            word = _name(self.outcome)
            problems += [f"event {offset} is {word}, and not among the {self.name}" for offset in sorted(without)]
        return problems

    async def _peek(self) -> int | None:
        if self._at == len(self._page) and not self._ended:
            self._page = await self._ledger.rows(self.account, self.outcome, after=self._after, limit=_ROWS)
            self._at = 0
            self._ended = not self._page
            self._after = self._page[-1] if self._page else self._after
        return self._page[self._at] if self._at < len(self._page) else None


def _places(codes: bytes, outcome: Outcome, start: int) -> list[int]:
    """Return the offsets of the records with this outcome; `start` is that of the first byte."""
    found: list[int] = []
    place = codes.find(outcome)
    while place >= 0:
        found.append(start + place)
        place = codes.find(outcome, place + 1)
    return found


def _name(code: int) -> str:
    return Outcome(code).name.lower()
