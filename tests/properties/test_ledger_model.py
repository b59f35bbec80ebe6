"""The SQLite ledger against a dictionary: whatever happens in whatever order, both say the same."""

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model_account import BLOCKS, QUOTA, SIZE, ModelAccount

from postroad.errors import StoreUnavailable
from postroad.ledger.base import Attempt, DeadLetter, FrozenBatch, Lost, Outcome, RetryRow, Settlement
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import BLOCK_SPAN, offset_of
from postroad.storage import files

UNCOUNTED = {Outcome.PENDING, Outcome.OUT_OF_ACCOUNT}
OFFSETS = st.builds(offset_of, st.integers(0, BLOCKS - 1), st.integers(0, SIZE - 1))
OUTCOMES = st.dictionaries(OFFSETS, st.sampled_from(sorted(set(Outcome) - {Outcome.PENDING})), max_size=8)
# Twice as often RETRY and DEAD: what has a row is what can go wrong.
LIVELY = st.dictionaries(OFFSETS, st.sampled_from([Outcome.RETRY, Outcome.DEAD, Outcome.DELIVERED]), max_size=8)


class FailingConnection(sqlite3.Connection):
    """Fails, once, at the statement that starts with `fail_at`."""

    fail_at = ""

    def execute(self, sql, *values):
        """Run one statement."""
        self._fail(sql)
        return super().execute(sql, *values)

    def executemany(self, sql, values):
        """Run one statement many times."""
        self._fail(sql)
        return super().executemany(sql, values)

    @classmethod
    def _fail(cls, sql):
        if cls.fail_at and sql.startswith(cls.fail_at):
            cls.fail_at = ""
            raise sqlite3.OperationalError("disk I/O error")


def connect(path):
    """Open as the real one does, without the fsyncs."""
    db = files.connect_writer(path, FailingConnection)
    db.execute("PRAGMA synchronous = OFF")
    return db


class LedgerMachine(RuleBasedStateMachine):
    """Does to the real ledger and to the model the same, and compares all of both after each step."""

    def __init__(self):
        super().__init__()
        self._root = Path(tempfile.mkdtemp())
        self._runs = 0
        self._time = 0
        self._loop = asyncio.new_event_loop()
        self._accounts: dict[int, ModelAccount] = {}

    def run(self, call):
        """Wait for one call of the ledger."""
        return self._loop.run_until_complete(call)

    def teardown(self):
        """Let files and loop go."""
        FailingConnection.fail_at = ""
        self.run(self._ledger.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        shutil.rmtree(self._root)

    @initialize()
    def start(self):
        """Begin with a ledger of one account."""
        (self._root / "0").mkdir()
        self._ledger = SqliteLedger.open(self._root / "0" / "ledger.db", connect, quota=QUOTA)
        self.open_account("a")

    @rule(destination=st.sampled_from("ab"))
    def open_account(self, destination):
        """Open a live account, which is refused while there is one."""
        is_open = any(one.destination == destination and one.end is None for one in self._accounts.values())
        call = self._ledger.open_account(destination, start=0, at=1)
        if is_open:
            with pytest.raises(ValueError, match="open account"):
                self.run(call)
        else:
            self._accounts[self.run(call).number] = ModelAccount(destination)

    @rule(data=st.data(), end=OFFSETS)
    def end_account(self, data, end):
        """End an account."""
        number = self._any(data)
        self._time += 1
        self.run(self._ledger.end_account(number, end, at=self._time, by="abandoned"))
        account = self._accounts[number]
        account.end, account.ended = end, (self._time, "abandoned")

    @rule(data=st.data(), policy=st.sampled_from(["refuse", "expire"]))
    def set_policy(self, data, policy):
        """Keep a policy, while something is settled."""
        number = self._any(data)
        settled = self._settlement(data, number, data.draw(LIVELY))
        self.run(self._together(self._ledger.settle(number, settled), self._ledger.set_policy(number, policy)))
        self._accounts[number].settle(settled)
        self._accounts[number].policy = policy

    @rule(data=st.data(), names=st.permutations("abc"))
    def rename(self, data, names):
        """Give the accounts of one destination to another, which is refused while both have an open one."""
        old, new, _ = names
        number = self._any(data)
        settled = self._settlement(data, number, data.draw(LIVELY))
        is_open = {one.destination for one in self._accounts.values() if one.end is None}
        answers = self.run(self._together(self._ledger.settle(number, settled), self._ledger.rename(old, new)))
        self._accounts[number].settle(settled)
        assert isinstance(answers[1], ValueError) == ({old, new} <= is_open)
        for account in self._accounts.values():
            if answers[1] is None and account.destination == old:
                account.destination = new

    @rule(data=st.data(), outcomes=OUTCOMES | LIVELY, more=LIVELY)
    def settle(self, data, outcomes, more):
        """Settle twice at once: both share a transaction."""
        number = self._any(data)
        first = self._settlement(data, number, outcomes)
        second = self._settlement(data, number, more)._replace(cursor=None)
        answers = self.run(self._together(self._ledger.settle(number, first), self._ledger.settle(number, second)))
        assert answers == [None, None]
        self._accounts[number].settle(first)
        self._accounts[number].settle(second)

    @rule(data=st.data(), outcomes=LIVELY)
    def settle_beside_a_bug(self, data, outcomes):
        """Settle in one transaction with a settlement that is wrong at its very end."""
        number = self._any(data)
        good = self._settlement(data, number, outcomes)
        last = offset_of(BLOCKS, 0)
        wrong = self._settlement(data, number, outcomes)
        wrong = wrong._replace(outcomes={**wrong.outcomes, last: Outcome.DELIVERED}, sizes={**wrong.sizes, BLOCKS: 0})
        answers = self.run(self._together(self._ledger.settle(number, wrong), self._ledger.settle(number, good)))
        assert [type(answer) for answer in answers] == [ValueError, type(None)]
        self._accounts[number].settle(good)

    @rule(data=st.data(), outcomes=LIVELY, fail_at=st.sampled_from(["BEGIN", "UPDATE account", "INSERT", "COMMIT"]))
    def settle_while_failing(self, data, outcomes, fail_at):
        """Settle on a disk that fails: the error says so, and nothing has changed."""
        number = self._any(data)
        settlement = self._settlement(data, number, outcomes)
        FailingConnection.fail_at = fail_at
        with pytest.raises(StoreUnavailable):
            self.run(self._ledger.settle(number, settlement))

    @rule(data=st.data(), offsets=st.lists(OFFSETS, min_size=2, max_size=6, unique=True), due_at=st.integers(0, 9))
    def freeze(self, data, offsets, due_at):
        """Freeze two batches at once, while something is settled."""
        number = self._any(data)
        account = self._accounts[number]
        batches = [FrozenBatch(tuple(part), due_at, 1, 5, "503") for part in (offsets[1:], offsets[:1])]
        settled = self._settlement(data, number, data.draw(LIVELY))
        answers = self.run(
            self._together(self._ledger.freeze_batches(number, batches), self._ledger.settle(number, settled))
        )
        assert answers == [None, None]
        account.thaw(offsets)
        account.frozen += batches
        account.settle(settled)

    @rule(data=st.data(), offsets=st.lists(OFFSETS, max_size=6), due_in=st.integers(0, 9))
    def resend(self, data, offsets, due_in):
        """Resend dead letters."""
        number = self._any(data)
        account = self._accounts[number]
        at = self._time + due_in
        dead = {offset: account.dead[offset] for offset in offsets if offset in account.dead}
        assert self.run(self._ledger.resend(number, offsets, at)) == len(dead)
        retries = [RetryRow(offset, at, 0, at, "resent", letter.key, letter.value) for offset, letter in dead.items()]
        account.settle(Settlement(dict.fromkeys(dead, Outcome.RETRY), {}, retries=retries))

    @rule(data=st.data(), offsets=st.lists(OFFSETS, max_size=6))
    def drop(self, data, offsets):
        """Drop dead letters."""
        number = self._any(data)
        account = self._accounts[number]
        dead = set(offsets) & account.dead.keys()
        assert self.run(self._ledger.drop(number, offsets)) == len(dead)
        account.settle(Settlement(dict.fromkeys(dead, Outcome.DROPPED), {}))

    @rule(before=st.builds(offset_of, st.integers(0, BLOCKS), st.integers(0, 1)))
    def forget(self, before):
        """Retire what is below an offset."""
        self.run(self._ledger.forget(before))
        for account in self._accounts.values():
            account.forget(before)

    @rule(data=st.data(), start=OFFSETS, length=st.integers(1, 2 * BLOCK_SPAN), records=st.integers(0, 8))
    def lose(self, data, start, length, records):
        """Lose a stretch of the log, and again; never of the block that `settle_beside_a_bug` is wrong about."""
        number = self._any(data)
        length = min(length, offset_of(BLOCKS, 0) - start)
        account = self._accounts[number]
        known = [block for block in range(BLOCKS) if any(one.has_byte(block) for one in self._accounts.values())]
        wanted = account.lose(start, start + length, records, known)
        assert self.run(self._ledger.lose(number, start, start + length, records)) == wanted
        assert self.run(self._ledger.lose(number, start, start + length, records)) == 0

    @rule()
    def crash(self):
        """Go on with the files as they are, as after kill -9."""
        now, after = self._root / f"{self._runs}", self._root / f"{self._runs + 1}"
        shutil.copytree(now, after, ignore=shutil.ignore_patterns("*-shm"))
        self._runs += 1
        self.run(self._ledger.close())
        self._ledger = SqliteLedger.open(after / "ledger.db", connect, quota=QUOTA)

    @rule()
    def reopen(self):
        """Close and open again."""
        self.run(self._ledger.close())
        self._ledger = SqliteLedger.open(self._root / f"{self._runs}" / "ledger.db", connect, quota=QUOTA)

    @precondition(lambda self: self._accounts)
    @invariant()
    def same_books(self):
        """All that the ledger says is what the model knows."""
        for number, account in self._accounts.items():
            self.run(self._compare(number, account))

    async def _compare(self, number, model):
        ledger = self._ledger
        account = await ledger.account(number)
        assert (account.destination, account.end, account.cursor) == (model.destination, model.end, model.cursor)
        assert (account.policy, account.ended_at, account.ended_by) == (model.policy, *model.ended)
        totals = await ledger.totals(number)
        unread = Counter({Outcome.LOST: sum(model.lost.values())}) if model.lost else Counter()
        assert totals == Counter(o for o in model.outcomes.values() if o not in UNCOUNTED) + unread
        assert list(await ledger.lost(number)) == sorted(Lost(*place, count) for place, count in model.lost.items())
        blocks = {}
        for offset, outcome in model.outcomes.items():
            if model.is_kept(offset):
                blocks.setdefault(offset // BLOCK_SPAN, bytearray(SIZE))[offset % BLOCK_SPAN] = outcome
        kept = [(block, bytes(codes)) for block, codes in await ledger.blocks(number, limit=99) if any(codes)]
        assert kept == sorted(blocks.items())
        counted = Counter(code for _, codes in kept for code in codes if code not in UNCOUNTED)
        assert totals == counted + unread + Counter(await ledger.forgotten(number))
        due = sorted(model.retries.values(), key=lambda one: (one.due_at, one.offset))
        assert list(await ledger.retries(number, due_at=None, limit=99)) == due
        assert await ledger.next_due(number) == (due[0].due_at if due else None)
        assert list(await ledger.rows(number, Outcome.RETRY, limit=99)) == sorted(model.retries)
        assert list(await ledger.dead(number)) == [letter for _, letter in sorted(model.dead.items())]
        assert list(await ledger.frozen(number)) == sorted(model.frozen)
        in_log = [offset for offset, one in model.retries.items() if one.value is None]
        assert await ledger.floor(number) == min([model.cursor, *in_log])
        for offset in {*model.outcomes, *model.attempts}:
            assert list(await ledger.attempts(number, offset)) == model.attempts.get(offset, [])

    def _any(self, data):
        return data.draw(st.sampled_from(sorted(self._accounts)))

    def _settlement(self, data, number, outcomes):
        account = self._accounts[number]
        self._time += 1
        now = self._time
        key, value = data.draw(st.just((None, None)) | st.tuples(st.binary(max_size=2), st.binary(max_size=2)))
        return Settlement(
            outcomes,
            {offset // BLOCK_SPAN: SIZE for offset in outcomes},
            data.draw(st.none() | OFFSETS.map(lambda offset: max(offset, account.cursor))),
            [
                RetryRow(o, now + o % 5, 1, now, "503", key, value)
                for o, outcome in outcomes.items()
                if outcome == Outcome.RETRY
            ],
            [
                DeadLetter(o, b"k", b"v", "A", "410", now, now, 3)
                for o, outcome in outcomes.items()
                if outcome == Outcome.DEAD
            ],
            [Attempt(o, now, 503, "busy", "") for o in outcomes],
        )

    @staticmethod
    async def _together(*calls):
        return await asyncio.gather(*calls, return_exceptions=True)


LedgerMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLedgerModel = LedgerMachine.TestCase
