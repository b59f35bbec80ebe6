"""One account's page of the ledger inside one transaction: read once, changed in memory, written back once.

Many settlements of one account share a transaction, so blocks of outcomes and totals are edited here and
stored by `write`. Only records that enter or leave RETRY and DEAD cost statements of their own.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from postroad.ledger import rules
from postroad.ledger.base import DEFAULT_QUOTA, FrozenBatch, Lost, Outcome, Quota, Settlement
from postroad.ledger.sqlite import schema
from postroad.ledger.sqlite.letters import Letters
from postroad.log.base import number_of, offset_of, position_of

_UNCOUNTED = frozenset({int(Outcome.PENDING), int(Outcome.OUT_OF_ACCOUNT)})
_WITH_ROW = frozenset({int(Outcome.RETRY), int(Outcome.DEAD)})

_PUT_RETRY = """INSERT INTO retry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (account, offset) DO UPDATE SET due_at = excluded.due_at, tries = excluded.tries,
    first_at = excluded.first_at, why = excluded.why, key = coalesce(excluded.key, key),
    value = coalesce(excluded.value, value), form = excluded.form"""
_ADD_TOTAL = """INSERT INTO total VALUES (?, ?, ?)
    ON CONFLICT (account, outcome) DO UPDATE SET count = count + excluded.count"""
_ADD_LOST = """INSERT INTO lost VALUES (?, ?, ?, ?)
    ON CONFLICT (account, start, end) DO UPDATE SET records = records + excluded.records"""
_ADD_FORGOTTEN = """INSERT INTO forgotten VALUES (?, ?, ?)
    ON CONFLICT (account, outcome) DO UPDATE SET count = count + excluded.count"""
# What stays in retry or dead keeps its attempts.
_FORGET_ATTEMPTS = """DELETE FROM attempt WHERE account = :account AND offset >= :start AND offset < :end
    AND NOT EXISTS (SELECT 1 FROM retry r WHERE r.account = attempt.account AND r.offset = attempt.offset)
    AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.account = attempt.account AND d.offset = attempt.offset)"""


class Page:
    """What one transaction knows and changes of one account."""

    def __init__(self, db: sqlite3.Connection, number: int, quota: Quota = DEFAULT_QUOTA) -> None:
        """Read the account; raises `ValueError` when there is none with that number."""
        row = db.execute("SELECT cursor, end, kept_from, start FROM account WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise ValueError(f"there is no account {number}")
        self._db = db
        self._number = number
        self._cursor: int = row[0]
        self._end: int | None = row[1]
        self._kept_from: int = row[2]
        self._start: int = row[3]
        self._blocks: dict[int, bytearray] = {}
        self._frozen: dict[int, frozenset[int]] | None = None
        self._lost: list[Lost] | None = None
        self._letters = Letters(db, number, quota)
        self._moved: Counter[int] = Counter()
        self._moved_forgotten: Counter[int] = Counter()

    def end_at(self, end: int, at: int, by: str) -> None:
        """Set the account's end, when it was set and by what."""
        self._end = end
        self._db.execute("UPDATE account SET ended_at = ?, ended_by = ? WHERE number = ?", (at, by, self._number))

    def settle(self, settlement: Settlement) -> None:
        """Apply one settlement; raises `ValueError` where it breaks a rule, and may have changed half then."""
        rules.check(settlement)
        if settlement.cursor is not None:
            rules.check_cursor(self._cursor, settlement.cursor)
            self._cursor = settlement.cursor
        outcomes = settlement.outcomes
        self._thaw(outcomes)
        boundary = offset_of(self._kept_from, 0)
        late = {offset: outcome for offset, outcome in outcomes.items() if offset < boundary}
        late.update(self._without_place(outcomes))
        if late:
            self._settle_late(late, settlement)
        else:
            self._put_rows(settlement, self._mark(outcomes, settlement.sizes))
        if settlement.dead:
            self._evict(len(settlement.dead))

    def freeze(self, batches: Sequence[FrozenBatch]) -> None:
        """Keep batches as they are; raises `ValueError` where they share a record."""
        rules.check_batches(batches)
        self._thaw([offset for batch in batches for offset in batch.offsets])
        rows = [(self._number, one[0][0], schema.pack_offsets(one[0]), *one[1:]) for one in batches]
        self._db.executemany("INSERT INTO frozen VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._members().update({batch.offsets[0]: frozenset(batch.offsets) for batch in batches})

    def lose(self, start: int, end: int, records: int) -> int:
        """Settle a stretch that the log can't read any more, as `Ledger.lose` says; returns how many became lost."""
        rules.check_stretch(start, end, records)
        first, last = number_of(start), number_of(end - 1)
        start, end = rules.within((self._start, self._end), start, end)
        if start >= end:
            return 0
        self.write()  # from here on the tables are what counts
        records -= self._beyond(first, last, start, end)
        rows = self._db.execute(
            "SELECT block, codes FROM outcome WHERE account = ? AND block BETWEEN ? AND ?",
            (self._number, number_of(start), number_of(end - 1)),
        ).fetchall()
        retries = self._db.execute(
            "SELECT offset FROM retry WHERE account = ? AND offset >= ? AND offset < ? AND value IS NULL",
            (self._number, start, end),
        ).fetchall()
        self._thin(start, end)
        gone = [offset for block, codes in rows for offset in rules.pending(block, codes, start, end)]
        gone += [offset for (offset,) in retries]
        self.settle(Settlement(dict.fromkeys(gone, Outcome.LOST), {}))
        return len(gone) + self._note_lost(Lost(start, end, records), sum(len(codes) for _, codes in rows))

    def forget(self, before: int, limit: int) -> int:
        """Fold up to `limit` blocks below `before` that the cursor has passed; returns how many."""
        self.write()
        done = self._end is not None and self._cursor >= self._end
        bound = number_of(before) if done else min(number_of(before), number_of(self._cursor))
        rows = self._db.execute(
            "SELECT block, codes FROM outcome WHERE account = ? AND block < ? ORDER BY block LIMIT ?",
            (self._number, bound, limit),
        ).fetchall()
        for _, codes in rows:
            self._moved_forgotten.update(codes)
        kept_from = rows[-1][0] + 1 if len(rows) == limit else max(bound, self._kept_from)
        span = {"account": self._number, "start": offset_of(self._kept_from, 0), "end": offset_of(kept_from, 0)}
        self._db.execute(_FORGET_ATTEMPTS, span)
        self._db.execute("DELETE FROM outcome WHERE account = ? AND block < ?", (self._number, kept_from))
        self._kept_from = kept_from
        return len(rows)

    def write(self) -> None:
        """Store what was changed in memory."""
        self._db.execute(
            "UPDATE account SET cursor = ?, end = ?, kept_from = ? WHERE number = ?",
            (self._cursor, self._end, self._kept_from, self._number),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO outcome VALUES (?, ?, ?)",
            [(self._number, block, codes) for block, codes in self._blocks.items()],
        )
        self._db.executemany(_ADD_TOTAL, self._counts(self._moved))
        self._db.executemany(_ADD_FORGOTTEN, self._counts(self._moved_forgotten))
        self._letters.write()
        self._blocks.clear()
        self._moved.clear()
        self._moved_forgotten.clear()

    def _members(self) -> dict[int, frozenset[int]]:
        """Return the records of every frozen batch, by its first offset."""
        if self._frozen is None:
            rows = self._db.execute("SELECT first, offsets FROM frozen WHERE account = ?", (self._number,)).fetchall()
            self._frozen = {first: frozenset(schema.unpack_offsets(offsets)) for first, offsets in rows}
        return self._frozen

    def _thaw(self, offsets: Iterable[int]) -> None:
        """Let the batches go that hold any of these records."""
        batches = self._members()
        for first in [first for first, members in batches.items() if not members.isdisjoint(offsets)]:
            del batches[first]
            self._db.execute("DELETE FROM frozen WHERE account = ? AND first = ?", (self._number, first))

    def _thin(self, start: int, end: int) -> None:
        """Take out of the frozen batches what is lost; what has bytes of its own stays."""
        rows = self._db.execute("SELECT * FROM frozen WHERE account = ?", (self._number,)).fetchall()
        for _, first, packed, *rest in rows:
            offsets = schema.unpack_offsets(packed)
            left = [offset for offset in offsets if not start <= offset < end or self._has_own_bytes(offset)]
            if len(left) < len(offsets):
                self._thaw([first])
                if left:
                    self.freeze([FrozenBatch(left, *rest)])

    def _has_own_bytes(self, offset: int) -> bool:
        query = "SELECT 1 FROM retry WHERE account = ? AND offset = ? AND value IS NOT NULL"
        return self._db.execute(query, (self._number, offset)).fetchone() is not None

    def _beyond(self, first: int, last: int, start: int, end: int) -> int:
        """Return how many records of blocks `first` to `last` are known to lie outside of `start <= offset < end`."""
        if first == number_of(start) and last == number_of(end - 1):
            return 0
        rows = self._db.execute(
            """SELECT block, max(length(codes)) FROM account JOIN outcome ON outcome.account = number
            AND block BETWEEN ? AND ? GROUP BY block""",
            (first, last),
        )
        return rules.beyond(dict(rows.fetchall()), start, end)

    def _note_lost(self, stretch: Lost, with_byte: int) -> int:
        """Write down the records of a stretch that have no byte; returns how many those are."""
        start, end, records = stretch
        count = rules.unread(self._lost_rows(), start, end, records, with_byte)
        if not count or end <= offset_of(self._kept_from, 0):
            return 0
        self._db.execute(_ADD_LOST, (self._number, start, end, count))
        self._moved[Outcome.LOST] += count
        self._lost = None
        return count

    def _lost_rows(self) -> list[Lost]:
        if self._lost is None:
            rows = self._db.execute(
                "SELECT start, end, records FROM lost WHERE account = ?", (self._number,)
            ).fetchall()
            self._lost = [Lost(*row) for row in rows]
        return self._lost

    def _without_place(self, outcomes: Mapping[int, Outcome]) -> dict[int, Outcome]:
        """Return what is said of records that are in a lost stretch and have no byte."""
        if not self._lost_rows():
            return {}
        lost = {
            number
            for number in {number_of(offset) for offset in outcomes}
            if rules.is_lost(self._lost_rows(), number) and self._kept_codes(number) is None
        }
        return {offset: outcome for offset, outcome in outcomes.items() if number_of(offset) in lost}

    def _evict(self, brought: int) -> None:
        """Let the oldest dead letters go that the quota does not allow."""
        (kept,) = self._db.execute(
            "SELECT coalesce(sum(count), 0) FROM total WHERE account = ? AND outcome = ?",
            (self._number, int(Outcome.DEAD)),
        ).fetchone()
        gone = self._letters.excess(kept + self._moved[Outcome.DEAD], brought)
        if gone:
            self.settle(Settlement(dict.fromkeys(gone, Outcome.EVICTED), {}))

    def _counts(self, moved: Mapping[int, int]) -> list[tuple[int, int, int]]:
        return [(self._number, code, count) for code, count in moved.items() if count and code not in _UNCOUNTED]

    def _mark(self, outcomes: Mapping[int, Outcome], sizes: Mapping[int, int]) -> list[int]:
        """Set the bytes of records in kept blocks; returns those that had a row in retry or dead."""
        had_row: list[int] = []
        before = [0] * 256
        block, codes = -1, bytearray()
        for offset, outcome in outcomes.items():
            if (number := number_of(offset)) != block:
                block, codes = number, self._block(number, sizes.get(number))
            position = position_of(offset)
            rules.check_position(offset, len(codes))
            was = codes[position]
            codes[position] = outcome
            before[was] += 1
            if was in _WITH_ROW:
                had_row.append(offset)
        self._moved.update(map(int, outcomes.values()))
        self._moved.subtract({code: count for code, count in enumerate(before) if count})
        return had_row

    def _block(self, block: int, stated: int | None) -> bytearray:
        codes = self._kept_codes(block)
        size = rules.check_size(block, None if codes is None else len(codes), stated)
        self._blocks[block] = codes = bytearray(size) if codes is None else codes
        return codes

    def _kept_codes(self, block: int) -> bytearray | None:
        """Return the bytes of a block as they are now, None when it has none."""
        codes = self._blocks.get(block)
        if codes is not None:
            return codes
        row = self._db.execute(
            "SELECT codes FROM outcome WHERE account = ? AND block = ?", (self._number, block)
        ).fetchone()
        return None if row is None else bytearray(row[0])

    def _settle_late(self, late: Mapping[int, Outcome], settlement: Settlement) -> None:
        """Settle when some records are in forgotten blocks: retry and dead alone know what those were."""
        had_row: list[int] = []
        for offset, outcome in late.items():
            was = self._late_outcome(offset)
            if was is None:
                continue
            had_row.append(offset)
            for moved in (self._moved, self._moved_forgotten):
                moved[was] -= 1
                moved[outcome] += 1
        ignored = late.keys() - set(had_row)
        rest = {offset: outcome for offset, outcome in settlement.outcomes.items() if offset not in late}
        had_row += self._mark(rest, settlement.sizes)
        self._put_rows(
            settlement._replace(
                retries=[retry for retry in settlement.retries if retry.offset not in ignored],
                dead=[letter for letter in settlement.dead if letter.offset not in ignored],
            ),
            had_row,
        )
        final = [offset for offset, outcome in late.items() if offset in ignored or outcome not in _WITH_ROW]
        self._delete("attempt", final)

    def _late_outcome(self, offset: int) -> Outcome | None:
        place = (self._number, offset)
        if self._db.execute("SELECT 1 FROM retry WHERE account = ? AND offset = ?", place).fetchone():
            return Outcome.RETRY
        if self._db.execute("SELECT 1 FROM dead WHERE account = ? AND offset = ?", place).fetchone():
            return Outcome.DEAD
        return None

    def _put_rows(self, settlement: Settlement, had_row: Iterable[int]) -> None:
        outcomes = settlement.outcomes
        had = list(had_row)
        if had:
            self._delete("retry", [offset for offset in had if outcomes[offset] != Outcome.RETRY])
            self._letters.remove(had)
        if settlement.retries:
            self._db.executemany(_PUT_RETRY, [(self._number, *retry) for retry in settlement.retries])
        if settlement.dead:
            self._letters.put(settlement.dead)
        if settlement.attempts:
            self._db.executemany(
                "INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?)",
                [(self._number, *attempt) for attempt in settlement.attempts],
            )

    def _delete(self, table: str, offsets: Iterable[int]) -> None:
        self._db.executemany(
            f"DELETE FROM {table} WHERE account = ? AND offset = ?",  # noqa: S608 - our own table names
            [(self._number, offset) for offset in offsets],
        )
