"""The ledger on SQLite, the writer's side: many settlements share one transaction and one fsync."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from postroad.errors import StoreUnavailable
from postroad.ledger.base import DEFAULT_QUOTA, Account, FrozenBatch, Quota, Settlement
from postroad.ledger.hold import Hold
from postroad.ledger.sqlite import schema
from postroad.ledger.sqlite.books import Books
from postroad.ledger.sqlite.reader import SqliteLedgerReader
from postroad.storage import files
from postroad.storage.group_commit import GroupCommit
from postroad.storage.store import StoreFile

Result = TypeVar("Result")

MAX_GROUP = 8 << 20
"""Bytes of changes, about, that share one transaction."""
MAX_QUEUE = 32 << 20
"""Bytes of changes, about, that may wait before `StoreBusy`."""
FORGET_BLOCKS = 1000
"""Blocks that one transaction of `forget` folds."""

HASTEN_RETRIES = 10_000
"""Retries that one transaction of `hasten` changes."""

_CHANGE_WEIGHT = 200
_RECORD_WEIGHT = 20


class _Failed(NamedTuple):
    """The answer to one change of a group whose other changes were committed."""

    error: Exception


class SqliteLedger(SqliteLedgerReader):
    """Writes `ledger.db`, and reads it as every reader does. Make it with `open`."""

    def __init__(self, path: Path, file: StoreFile, quota: Quota) -> None:
        super().__init__(path)
        self._file = file
        self._quota = quota
        self._commits: GroupCommit[Callable[[Books], Any], Any] = GroupCommit(
            self._write, max_group=MAX_GROUP, max_queue=MAX_QUEUE
        )

    @classmethod
    def open(
        cls, path: Path, connect: files.Connect = files.connect_writer, *, quota: Quota = DEFAULT_QUOTA
    ) -> "SqliteLedger":
        """Open `ledger.db` at `path`, made or migrated where it has to be, and lock `ledger.lock` beside it.
        `quota` is what each account may keep of dead letters.

        Raises `StoreLocked` or `StoreVersion`. A file that can't be used is no error here: it is in `trouble` then,
        every method raises `StoreUnavailable`, and it heals when the cause is gone.
        """
        return cls(path, StoreFile(path, schema.KIND, schema.STEPS, connect), quota)

    @property
    def trouble(self) -> str:
        """Why the file can't be used; empty when it can, as far as is known."""
        return self._file.trouble

    async def check(self) -> bool:
        """Find out whether the file can be used now, opening it again if need be."""
        try:
            await self._commit(lambda _: None)
        except StoreUnavailable:
            return False
        return not self.trouble

    async def open_account(
        self, destination: str, *, start: int, at: int, end: int | None = None, replay: str | None = None
    ) -> Account:
        """Open an account with its cursor at `start`."""
        account = Account(0, destination, replay, start, end, start, at)
        return await self._commit(lambda books: books.open_account(account))

    async def end_account(self, account: int, end: int, *, at: int, by: str) -> None:
        """Set the account's end, when it was set and by what."""
        await self._commit(lambda books: books.end_account(account, end, at, by))

    async def set_policy(self, account: int, policy: str) -> None:
        """Keep the destination's `on_backlog_full` with its account."""
        await self._commit(lambda books: books.set_policy(account, policy))

    async def set_hold(self, account: int, hold: Hold | None) -> None:
        """Keep the destination's hold with its account."""
        await self._commit(lambda books: books.set_hold(account, hold))

    async def hasten(self, account: int, at: int) -> int:
        """Let every retry and frozen batch be due at `at`, a bounded part at a time; returns how many retries are."""
        while await self._commit(lambda books: books.hasten(account, at, HASTEN_RETRIES)):
            pass
        return await self._commit(lambda books: books.due(account, at))

    async def rename(self, destination: str, new: str) -> None:
        """Give all accounts of a destination to another id."""
        await self._commit(lambda books: books.rename(destination, new))

    async def settle(self, account: int, settlement: Settlement) -> None:
        """Apply one settlement, whole or not at all."""
        await self._commit(lambda books: books.settle(account, settlement), _weight(settlement))

    async def freeze_batches(self, account: int, batches: Sequence[FrozenBatch]) -> None:
        """Keep these batches as they are, in place of those that share a record with them."""
        records = sum(len(batch.offsets) for batch in batches)
        await self._commit(lambda books: books.freeze(account, batches), _CHANGE_WEIGHT + _RECORD_WEIGHT * records)

    async def resend(self, account: int, offsets: Sequence[int], at: int) -> int:
        """Turn these dead letters into retries due at `at`; returns how many were dead letters."""
        return await self._commit(lambda books: books.resend(account, offsets, at))

    async def drop(self, account: int, offsets: Sequence[int]) -> int:
        """Give these dead letters up for good; returns how many were dead letters."""
        return await self._commit(lambda books: books.drop(account, offsets))

    async def lose(self, account: int, start: int, end: int, records: int) -> int:
        """Settle a stretch that the log can't read any more; returns how many became lost."""
        return await self._commit(lambda books: books.lose(account, start, end, records))

    async def adopt(self, identity: str, epoch: int) -> None:
        """Bind this ledger to a log; `StoreError` when it belongs to another."""
        await self._commit(lambda books: books.adopt(identity, epoch))

    async def forget(self, before: int) -> None:
        """Fold the outcomes of the blocks below `before` into the totals, a bounded part at a time."""
        while await self._commit(lambda books: books.forget(before, FORGET_BLOCKS)):
            pass

    async def close(self) -> None:
        """Write what is queued, let the file go and give the lock back. Safe to call twice."""
        await self._commits.close()
        await super().close()  # first: a reader would keep the writer from tidying up
        await asyncio.to_thread(self._file.close)

    async def _commit(self, change: Callable[[Books], Result], weight: int = _CHANGE_WEIGHT) -> Result:
        answer: Result | _Failed = await self._commits.submit(change, weight)
        if isinstance(answer, _Failed):
            raise answer.error
        return answer

    def _write(self, changes: Sequence[Callable[[Books], Any]]) -> Sequence[Any]:
        """Commit a group; where one change is a bug, each of the group gets a transaction of its own."""
        try:
            return self._transact(changes)
        except StoreUnavailable:
            raise
        except Exception:
            if len(changes) == 1:
                raise
        return [self._write_alone(change) for change in changes]

    def _write_alone(self, change: Callable[[Books], Any]) -> Any:
        try:
            return self._transact([change])[0]
        except Exception as error:  # noqa: BLE001 - handed to the caller whose change it was
            return _Failed(error)

    def _transact(self, changes: Sequence[Callable[[Books], Any]]) -> Sequence[Any]:
        def apply(db: sqlite3.Connection) -> list[Any]:
            books = Books(db, self._quota)
            answers = [change(books) for change in changes]
            books.write()
            return answers

        return self._file.transact(apply)


def _weight(settlement: Settlement) -> int:
    """Return about how many bytes a settlement occupies while it waits."""
    letters = sum(len(letter.value) + _CHANGE_WEIGHT for letter in settlement.dead)
    answers = sum(len(attempt.answer) + _CHANGE_WEIGHT for attempt in settlement.attempts)
    return _CHANGE_WEIGHT + _RECORD_WEIGHT * len(settlement.outcomes) + letters + answers
