"""The ledger in memory, both sides in one object: for tests of what uses a ledger. Nothing survives it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from postroad.ledger import rules
from postroad.ledger.base import (
    DEFAULT_QUOTA,
    EVICT_AT_ONCE,
    Account,
    Attempt,
    DeadLetter,
    FrozenBatch,
    Lost,
    Outcome,
    Quota,
    RetryRow,
    Settlement,
)
from postroad.ledger.hold import Hold
from postroad.log.base import number_of, offset_of, position_of

_UNCOUNTED = (Outcome.PENDING, Outcome.OUT_OF_ACCOUNT)
_WITH_ROW = (Outcome.RETRY, Outcome.DEAD)


class MemoryLedger:
    """Keeps all of it in dictionaries, those of single records by (account, offset)."""

    def __init__(self, quota: Quota = DEFAULT_QUOTA) -> None:
        self.quota = quota
        """What each account may keep of dead letters from the next one on; nothing is compressed here."""
        self._accounts: dict[int, Account] = {}
        self._kept_from: dict[int, int] = {}
        self._blocks: dict[tuple[int, int], bytearray] = {}
        self._forgotten: dict[int, Counter[Outcome]] = {}
        self._retries: dict[tuple[int, int], RetryRow] = {}
        self._dead: dict[tuple[int, int], DeadLetter] = {}
        self._frozen: dict[tuple[int, int], FrozenBatch] = {}
        self._attempts: dict[tuple[int, int], list[Attempt]] = {}
        self._lost: dict[int, list[Lost]] = {}
        self._log: tuple[str, int] | None = None

    @property
    def trouble(self) -> str:
        """Nothing ever keeps it from being used."""
        return ""

    async def check(self) -> bool:
        """It can always be used."""
        return True

    async def open_account(
        self, destination: str, *, start: int, at: int, end: int | None = None, replay: str | None = None
    ) -> Account:
        """Open an account with its cursor at `start`."""
        live = (destination, None, None)
        if (destination, replay, end) == live and live in {(a[1], a[2], a[4]) for a in self._accounts.values()}:
            raise ValueError(f"destination {destination} has an open account")
        account = Account(len(self._accounts) + 1, destination, replay, start, end, start, at)
        self._accounts[account.number] = account
        self._forgotten[account.number] = Counter()
        self._kept_from[account.number] = 0
        return account

    async def end_account(self, account: int, end: int, *, at: int, by: str) -> None:
        """Set the account's end, when it was set and by what."""
        self._accounts[account] = self._existing(account)._replace(end=end, ended_at=at, ended_by=by)

    async def set_policy(self, account: int, policy: str) -> None:
        """Keep the destination's `on_backlog_full` with its account."""
        self._accounts[account] = self._existing(account)._replace(policy=policy)

    async def set_hold(self, account: int, hold: Hold | None) -> None:
        """Keep the destination's hold with its account."""
        at, by, why = hold or (0, "", "")
        self._accounts[account] = self._existing(account)._replace(held_at=at, held_by=by, held_why=why)

    async def hasten(self, account: int, at: int) -> int:
        """Let every retry and frozen batch be due at `at`; returns how many retries are."""
        self._existing(account)
        for place, retry in self._retries.items():
            if place[0] == account:
                self._retries[place] = retry._replace(due_at=min(retry.due_at, at))
        for place, batch in self._frozen.items():
            if place[0] == account:
                self._frozen[place] = batch._replace(due_at=min(batch.due_at, at))
        return sum(owner == account for owner, _ in self._retries)

    async def rename(self, destination: str, new: str) -> None:
        """Give all accounts of a destination to another id."""
        live = {one.destination for one in self._accounts.values() if one.replay is None and one.end is None}
        if destination != new and {destination, new} <= live:
            raise ValueError(f"both {destination} and {new} have an open account: end one first")
        for number, account in self._accounts.items():
            if account.destination == destination:
                self._accounts[number] = account._replace(destination=new)

    async def settle(self, account: int, settlement: Settlement) -> None:
        """Apply one settlement: everything is checked before anything is changed."""
        found = self._existing(account)
        rules.check(settlement)
        rules.check_cursor(found.cursor, found.cursor if settlement.cursor is None else settlement.cursor)
        sizes: dict[int, int] = {}
        for offset in settlement.outcomes:
            block = number_of(offset)
            if self._has_place(account, block):
                kept = self._blocks.get((account, block))
                stated = settlement.sizes.get(block)
                sizes[block] = rules.check_size(block, None if kept is None else len(kept), stated)
                rules.check_position(offset, sizes[block])
        for block, size in sizes.items():
            self._blocks.setdefault((account, block), bytearray(size))
        self._thaw(account, settlement.outcomes)
        if settlement.cursor is not None:
            self._accounts[account] = found._replace(cursor=settlement.cursor)
        for attempt in settlement.attempts:
            self._attempts.setdefault((account, attempt.offset), []).append(attempt)
        retries = {retry.offset: retry for retry in settlement.retries}
        letters = {letter.offset: letter for letter in settlement.dead}
        for offset, outcome in settlement.outcomes.items():
            if self._mark(account, offset, outcome):
                self._put_rows((account, offset), retries.get(offset), letters.get(offset))
        if letters:
            await self._evict(account, len(letters))

    async def freeze_batches(self, account: int, batches: Sequence[FrozenBatch]) -> None:
        """Keep these batches as they are, in place of those that share a record with them."""
        self._existing(account)
        rules.check_batches(batches)
        self._thaw(account, [offset for batch in batches for offset in batch.offsets])
        self._frozen.update({(account, batch.offsets[0]): batch for batch in batches})

    async def resend(self, account: int, offsets: Sequence[int], at: int) -> int:
        """Turn these dead letters into retries; returns how many were dead letters."""
        dead = [self._dead[account, offset] for offset in dict.fromkeys(offsets) if (account, offset) in self._dead]
        retries = [
            RetryRow(letter.offset, at, 0, at, "resent", letter.key, letter.value, letter.form) for letter in dead
        ]
        await self.settle(account, Settlement({retry.offset: Outcome.RETRY for retry in retries}, {}, retries=retries))
        return len(dead)

    async def drop(self, account: int, offsets: Sequence[int]) -> int:
        """Give these dead letters up; returns how many were dead letters."""
        dead = {offset: Outcome.DROPPED for offset in offsets if (account, offset) in self._dead}
        await self.settle(account, Settlement(dead, {}))
        return len(dead)

    async def lose(self, account: int, start: int, end: int, records: int) -> int:
        """Settle a stretch that the log can't read any more; returns how many became lost."""
        found = self._existing(account)
        rules.check_stretch(start, end, records)
        stretch = range(number_of(start), number_of(end - 1) + 1)
        start, end = rules.within((found.start, found.end), start, end)
        if start >= end:
            return 0
        sizes = {block: len(codes) for (_, block), codes in self._blocks.items() if block in stretch}
        records -= rules.beyond(sizes, start, end)
        numbers = range(number_of(start), number_of(end - 1) + 1)
        blocks = [(block, codes) for (owner, block), codes in self._blocks.items() if owner == account]
        blocks = [(block, codes) for block, codes in blocks if block in numbers]
        gone = [offset for block, codes in blocks for offset in rules.pending(block, codes, start, end)]
        for (owner, offset), retry in self._retries.items():
            if owner == account and start <= offset < end and retry.value is None:
                gone.append(offset)
        self._thin(account, start, end)
        await self.settle(account, Settlement(dict.fromkeys(gone, Outcome.LOST), {}))
        rows = self._lost.setdefault(account, [])
        count = rules.unread(rows, start, end, records, sum(len(codes) for _, codes in blocks))
        if not count or end <= offset_of(self._kept_from[account], 0):
            return len(gone)
        same = next((row for row in rows if row[:2] == (start, end)), Lost(start, end, 0))
        rows[:] = sorted([*(row for row in rows if row != same), same._replace(records=same.records + count)])
        return len(gone) + count

    async def adopt(self, identity: str, epoch: int) -> None:
        """Bind this ledger to a log; `StoreError` when it belongs to another."""
        rules.check_log(self._log, identity)
        self._log = (identity, epoch)

    async def forget(self, before: int) -> None:
        """Fold the outcomes of the blocks below `before` that their cursor has passed."""
        for number, account in self._accounts.items():
            done = account.end is not None and account.cursor >= account.end
            bound = number_of(before) if done else min(number_of(before), number_of(account.cursor))
            for block in [block for owner, block in self._blocks if owner == number and block < bound]:
                self._forgotten[number].update(_count(self._blocks.pop((number, block))))
            self._kept_from[number] = max(bound, self._kept_from[number])
            for owner, offset in list(self._attempts):
                if owner == number and offset < offset_of(bound, 0):
                    self._forget_attempts((owner, offset))

    async def accounts(self) -> Sequence[Account]:
        """Return all accounts by number."""
        return list(self._accounts.values())

    async def account(self, number: int) -> Account | None:
        """Return one account as it is now."""
        return self._accounts.get(number)

    async def missing(self) -> Sequence[int]:
        """Return none: nobody but this object changes what it has."""
        return []

    async def outcomes(self, account: int, block: int) -> bytes:
        """Return one byte a record of that block, `b""` when it has none."""
        return bytes(self._blocks.get((account, block), b""))

    async def blocks(self, account: int, *, after: int = -1, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return up to `limit` blocks above number `after` with their outcomes, in order."""
        found = sorted((block, bytes(codes)) for (owner, block), codes in self._blocks.items() if owner == account)
        return [(block, codes) for block, codes in found if block > after][:limit]

    async def totals(self, account: int) -> Mapping[Outcome, int]:
        """Return how many records have each outcome, by counting."""
        total = Counter(await self.forgotten(account))
        for (owner, _), codes in self._blocks.items():
            if owner == account:
                total.update(_count(codes))
        total[Outcome.LOST] += sum(row.records for row in self._lost.get(account, []))
        return {outcome: count for outcome, count in total.items() if count}

    async def forgotten(self, account: int) -> Mapping[Outcome, int]:
        """Return the part of `totals` whose blocks were forgotten."""
        return {outcome: count for outcome, count in self._forgotten.get(account, Counter()).items() if count}

    async def lost(self, account: int) -> Sequence[Lost]:
        """Return the lost stretches of records without a byte, by their start."""
        return list(self._lost.get(account, []))

    async def identity(self) -> tuple[str, int] | None:
        """Return the identity and the epoch of the log this ledger belongs to; None while it has adopted none."""
        return self._log

    async def retries(
        self, account: int, *, due_at: int | None, due_after: int | None = None, offset: int | None = None, limit: int
    ) -> Sequence[RetryRow]:
        """Return the retries due by `due_at`, later than `due_after`, the soonest first; or that of `offset`."""
        mine = [retry for (owner, _), retry in self._retries.items() if owner == account]
        due = [
            retry
            for retry in mine
            if (due_at is None or retry.due_at <= due_at)
            and (due_after is None or retry.due_at > due_after)
            and offset in {None, retry.offset}
        ]
        return sorted(due, key=lambda retry: (retry.due_at, retry.offset))[:limit]

    async def rows(self, account: int, outcome: Outcome, *, after: int = -1, limit: int) -> Sequence[int]:
        """Return up to `limit` offsets above `after` that have a row for this outcome, in order."""
        places = [*self._retries] if outcome == Outcome.RETRY else [*self._dead] if outcome == Outcome.DEAD else []
        return sorted(offset for owner, offset in places if owner == account and offset > after)[:limit]

    async def frozen(self, account: int) -> Sequence[FrozenBatch]:
        """Return the frozen batches, by their first offset."""
        mine = sorted(place for place in self._frozen if place[0] == account)
        return [self._frozen[place] for place in mine]

    async def next_due(self, account: int) -> int | None:
        """Return when the soonest retry is due, or None."""
        return next((retry.due_at for retry in await self.retries(account, due_at=None, limit=1)), None)

    async def floor(self, account: int) -> int:
        """Return the lowest offset the account still needs from the log, 0 for an account that isn't there."""
        if account not in self._accounts:
            return 0
        needed = [
            offset for (owner, offset), retry in self._retries.items() if owner == account and retry.value is None
        ]
        return min([self._accounts[account].cursor, *needed])

    async def end(self) -> int:
        """Return an offset above everything that is known of the log here, 0 when nothing is."""
        places = [place for one in self._accounts.values() for place in (one.start, one.end or 0, one.cursor)]
        places += [offset + 1 for _, offset in (*self._retries, *self._dead)]
        places += [offset + 1 for batch in self._frozen.values() for offset in batch.offsets]
        places += [row.end for rows in self._lost.values() for row in rows]
        places += [offset_of(block + 1, 0) for _, block in self._blocks]
        return max(places, default=0)

    async def dead(
        self,
        account: int,
        *,
        offset: int | None = None,
        label: str | None = None,
        since: int | None = None,
        until: int | None = None,
        after: int = -1,
        limit: int = 100,
    ) -> Sequence[DeadLetter]:
        """Return dead letters by offset, those above `after`, narrowed by what is not None."""
        mine = [letter for (owner, _), letter in sorted(self._dead.items()) if owner == account]
        return [
            letter
            for letter in mine
            if letter.offset > after
            and offset in {None, letter.offset}
            and label in {None, letter.label}
            and (since is None or letter.died_at >= since)
            and (until is None or letter.died_at < until)
        ][:limit]

    async def attempts(self, account: int, offset: int) -> Sequence[Attempt]:
        """Return the failed tries of one record, oldest first."""
        return sorted(self._attempts.get((account, offset), []), key=lambda attempt: attempt.at)

    async def close(self) -> None:
        """Let nothing go: what is in memory stays readable."""

    def _existing(self, number: int) -> Account:
        if number not in self._accounts:
            raise ValueError(f"there is no account {number}")
        return self._accounts[number]

    def _thaw(self, account: int, offsets: Iterable[int]) -> None:
        touched = set(offsets)
        for place, batch in list(self._frozen.items()):
            if place[0] == account and not touched.isdisjoint(batch.offsets):
                del self._frozen[place]

    def _thin(self, account: int, start: int, end: int) -> None:
        """Take out of the frozen batches what is lost; what has bytes of its own stays."""
        for place, batch in list(self._frozen.items()):
            left = [
                offset
                for offset in batch.offsets
                if not start <= offset < end or self._has_own_bytes((account, offset))
            ]
            if place[0] == account and len(left) < len(batch.offsets):
                del self._frozen[place]
                if left:
                    self._frozen[account, left[0]] = batch._replace(offsets=left)

    def _has_own_bytes(self, place: tuple[int, int]) -> bool:
        return place in self._retries and self._retries[place].value is not None

    async def _evict(self, account: int, brought: int) -> None:
        """Let the oldest dead letters go that the quota does not allow."""
        kept = sorted(
            (letter.died_at, letter.offset, len(letter.key) + len(letter.value))
            for (owner, _), letter in self._dead.items()
            if owner == account
        )
        count, size, gone = len(kept), sum(size for _, _, size in kept), list[int]()
        for _, offset, freed in kept[: EVICT_AT_ONCE + brought]:
            if count - len(gone) > self.quota.rows or size > self.quota.size:
                gone.append(offset)
                size -= freed
        await self.settle(account, Settlement(dict.fromkeys(gone, Outcome.EVICTED), {}))

    def _has_place(self, account: int, block: int) -> bool:
        """Tell whether a record of a block has a byte or may get one."""
        known = (account, block) in self._blocks
        return block >= self._kept_from[account] and (known or not rules.is_lost(self._lost.get(account, []), block))

    def _mark(self, account: int, offset: int, outcome: Outcome) -> bool:
        """Set one outcome, unless it is settled for good in a forgotten block."""
        block = number_of(offset)
        if self._has_place(account, block):
            self._blocks[account, block][position_of(offset)] = outcome
            return True
        place = (account, offset)
        was = Outcome.RETRY if place in self._retries else Outcome.DEAD if place in self._dead else None
        if was is not None:
            self._forgotten[account].subtract([was])
            self._forgotten[account].update([outcome])
        if was is None or outcome not in _WITH_ROW:
            self._attempts.pop(place, None)
        return was is not None

    def _put_rows(self, place: tuple[int, int], retry: RetryRow | None, letter: DeadLetter | None) -> None:
        had = self._retries.pop(place, None)
        self._dead.pop(place, None)
        if retry is not None:
            if retry.value is None and had is not None:
                retry = retry._replace(key=had.key, value=had.value)
            self._retries[place] = retry
        if letter is not None:
            self._dead[place] = letter

    def _forget_attempts(self, place: tuple[int, int]) -> None:
        if place not in self._retries and place not in self._dead:
            del self._attempts[place]


def _count(codes: bytes | bytearray) -> Counter[Outcome]:
    return Counter(Outcome(code) for code in codes if code not in _UNCOUNTED)
