"""The ledger in memory, both sides in one object: for tests of what uses a ledger. Nothing survives it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from postroad.ledger import rules
from postroad.ledger.base import Account, Attempt, DeadLetter, FrozenBatch, Outcome, Retry, Settlement
from postroad.log.base import number_of, offset_of, position_of

_UNCOUNTED = (Outcome.PENDING, Outcome.OUT_OF_ACCOUNT)
_WITH_ROW = (Outcome.RETRY, Outcome.DEAD)


class MemoryLedger:
    """Keeps all of it in dictionaries, those of single records by (account, offset)."""

    def __init__(self) -> None:
        self._accounts: dict[int, Account] = {}
        self._kept_from: dict[int, int] = {}
        self._blocks: dict[tuple[int, int], bytearray] = {}
        self._forgotten: dict[int, Counter[Outcome]] = {}
        self._retries: dict[tuple[int, int], Retry] = {}
        self._dead: dict[tuple[int, int], DeadLetter] = {}
        self._frozen: dict[tuple[int, int], FrozenBatch] = {}
        self._attempts: dict[tuple[int, int], list[Attempt]] = {}

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

    async def end_account(self, account: int, end: int) -> None:
        """Set the account's end."""
        self._accounts[account] = self._existing(account)._replace(end=end)

    async def settle(self, account: int, settlement: Settlement) -> None:
        """Apply one settlement: everything is checked before anything is changed."""
        found = self._existing(account)
        rules.check(settlement)
        rules.check_cursor(found.cursor, found.cursor if settlement.cursor is None else settlement.cursor)
        sizes: dict[int, int] = {}
        for offset in settlement.outcomes:
            block = number_of(offset)
            if block >= self._kept_from[account]:
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

    async def freeze_batches(self, account: int, batches: Sequence[FrozenBatch]) -> None:
        """Keep these batches as they are, in place of those that share a record with them."""
        self._existing(account)
        rules.check_batches(batches)
        self._thaw(account, [offset for batch in batches for offset in batch.offsets])
        self._frozen.update({(account, batch.offsets[0]): batch for batch in batches})

    async def resend(self, account: int, offsets: Sequence[int], at: int) -> int:
        """Turn these dead letters into retries; returns how many were dead letters."""
        dead = [self._dead[account, offset] for offset in dict.fromkeys(offsets) if (account, offset) in self._dead]
        retries = [Retry(letter.offset, at, 0, at, "resent", letter.key, letter.value) for letter in dead]
        await self.settle(account, Settlement({retry.offset: Outcome.RETRY for retry in retries}, {}, retries=retries))
        return len(dead)

    async def drop(self, account: int, offsets: Sequence[int]) -> int:
        """Give these dead letters up; returns how many were dead letters."""
        dead = {offset: Outcome.DROPPED for offset in offsets if (account, offset) in self._dead}
        await self.settle(account, Settlement(dead, {}))
        return len(dead)

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
        return dict(total)

    async def forgotten(self, account: int) -> Mapping[Outcome, int]:
        """Return the part of `totals` whose blocks were forgotten."""
        return {outcome: count for outcome, count in self._forgotten.get(account, Counter()).items() if count}

    async def retries(
        self, account: int, *, due_at: int | None, due_after: int | None = None, offset: int | None = None, limit: int
    ) -> Sequence[Retry]:
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

    def _mark(self, account: int, offset: int, outcome: Outcome) -> bool:
        """Set one outcome, unless it is settled for good in a forgotten block."""
        block = number_of(offset)
        if block >= self._kept_from[account]:
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

    def _put_rows(self, place: tuple[int, int], retry: Retry | None, letter: DeadLetter | None) -> None:
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
