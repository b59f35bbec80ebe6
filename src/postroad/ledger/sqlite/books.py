"""All accounts inside one transaction: what a group of changes is applied to."""

import sqlite3
from collections.abc import Sequence

from postroad.ledger import rules
from postroad.ledger.base import DEFAULT_QUOTA, Account, FrozenBatch, Outcome, Quota, RetryRow, Settlement
from postroad.ledger.hold import Hold
from postroad.ledger.sqlite import packing, schema
from postroad.ledger.sqlite.page import Page


class Books:
    """The ledger as one transaction sees and changes it; `write` stores what is still in memory."""

    def __init__(self, db: sqlite3.Connection, quota: Quota = DEFAULT_QUOTA) -> None:
        self._db = db
        self._quota = quota
        self._pages: dict[int, Page] = {}

    def open_account(self, account: Account) -> Account:
        """Add an account and return it with its number; `ValueError` for a second open live account."""
        if account.replay is None and account.end is None:
            open_already = self._db.execute(
                "SELECT number FROM account WHERE destination = ? AND replay IS NULL AND end IS NULL",
                (account.destination,),
            ).fetchone()
            if open_already:
                raise ValueError(f"destination {account.destination} has an open account: {open_already[0]}")
        row = self._db.execute(
            """INSERT INTO account (destination, replay, start, end, cursor, opened_at, kept_from)
            VALUES (?, ?, ?, ?, ?, ?, 0) RETURNING number""",
            account[1:7],
        ).fetchone()
        return account._replace(number=row[0])

    def end_account(self, number: int, end: int, at: int, by: str) -> None:
        """Set an account's end."""
        page = self._page(number)
        page.end_at(end, at, by)
        page.write()  # at once: opening the destination's next account asks the table

    def set_policy(self, number: int, policy: str) -> None:
        """Keep a destination's policy with its account."""
        self._page(number)  # which has to be there
        self._db.execute("UPDATE account SET policy = ? WHERE number = ?", (policy, number))

    def set_hold(self, number: int, hold: Hold | None) -> None:
        """Keep a destination's hold with its account."""
        self._page(number)  # which has to be there
        said = (0, "", "") if hold is None else hold
        self._db.execute("UPDATE account SET held_at = ?, held_by = ?, held_why = ? WHERE number = ?", (*said, number))

    def hasten(self, number: int, at: int, limit: int) -> bool:
        """Let up to `limit` retries that are due later be due at `at`, and all frozen batches; returns whether some
        may be left.
        """
        self._page(number)  # which has to be there
        self._db.execute("UPDATE frozen SET due_at = ? WHERE account = ? AND due_at > ?", (at, number, at))
        changed = self._db.execute(
            """UPDATE retry SET due_at = ? WHERE account = ? AND offset IN
            (SELECT offset FROM retry WHERE account = ? AND due_at > ? LIMIT ?)""",
            (at, number, number, at, limit),
        )
        return changed.rowcount == limit

    def due(self, number: int, at: int) -> int:
        """Return how many retries are due at `at` or before."""
        query = "SELECT count(*) FROM retry WHERE account = ? AND due_at <= ?"
        (count,) = self._db.execute(query, (number, at)).fetchone()
        return int(count)

    def rename(self, destination: str, new: str) -> None:
        """Give a destination's accounts to another id; `ValueError` where both have an open live account."""
        both = self._db.execute(
            "SELECT count(DISTINCT destination) FROM account WHERE destination IN (?, ?) AND replay IS NULL"
            " AND end IS NULL",
            (destination, new),
        ).fetchone()
        if both[0] > 1:
            raise ValueError(f"both {destination} and {new} have an open account: end one first")
        self._db.execute("UPDATE account SET destination = ? WHERE destination = ?", (new, destination))

    def settle(self, number: int, settlement: Settlement) -> None:
        """Apply one settlement."""
        self._page(number).settle(settlement)

    def freeze(self, number: int, batches: Sequence[FrozenBatch]) -> None:
        """Keep batches as they are."""
        self._page(number).freeze(batches)

    def resend(self, number: int, offsets: Sequence[int], at: int) -> int:
        """Turn dead letters into retries; returns how many were dead letters."""
        page = self._page(number)
        retries = [
            RetryRow(offset, at, 0, at, "resent", key, packing.unpack(value, how), form)
            for offset in dict.fromkeys(offsets)
            for key, value, how, form in self._db.execute(
                "SELECT key, value, packing, form FROM dead WHERE account = ? AND offset = ?", (number, offset)
            ).fetchall()
        ]
        page.settle(Settlement({retry.offset: Outcome.RETRY for retry in retries}, {}, retries=retries))
        return len(retries)

    def drop(self, number: int, offsets: Sequence[int]) -> int:
        """Give dead letters up; returns how many were dead letters."""
        page = self._page(number)
        dead = {
            offset: Outcome.DROPPED
            for offset in offsets
            if self._db.execute("SELECT 1 FROM dead WHERE account = ? AND offset = ?", (number, offset)).fetchone()
        }
        page.settle(Settlement(dead, {}))
        return len(dead)

    def lose(self, number: int, start: int, end: int, records: int) -> int:
        """Settle a stretch that the log can't read any more; returns how many became lost."""
        return self._page(number).lose(start, end, records)

    def adopt(self, identity: str, epoch: int) -> None:
        """Bind the ledger to a log; `StoreError` when it belongs to another."""
        rules.check_log(schema.known_log(self._db.execute(schema.KNOWN_LOG).fetchall()), identity)
        log = {"log": identity, "epoch": epoch}
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", log.items())

    def forget(self, before: int, limit: int) -> bool:
        """Fold up to `limit` blocks below `before` into the totals; returns whether some may be left."""
        for (number,) in self._db.execute("SELECT number FROM account ORDER BY number").fetchall():
            limit -= self._page(number).forget(before, limit)
            if limit <= 0:
                return True
        return False

    def write(self) -> None:
        """Store every page that was touched."""
        for page in self._pages.values():
            page.write()

    def _page(self, number: int) -> Page:
        page = self._pages.get(number)
        if page is None:
            page = self._pages[number] = Page(self._db, number, self._quota)
        return page
