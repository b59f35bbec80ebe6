"""What every ledger must do, as tests that the author of another engine runs too.

    class TestMyLedger(LedgerConformance):
        @pytest.fixture(autouse=True)
        def bring(self, tmp_path):
            self.harness = MyHarness(tmp_path)

The fixture stops the harness after the test. pytest-asyncio in auto mode runs the tests; nothing here
imports pytest.
"""

import asyncio

from postroad.ledger.base import (
    Account,
    Attempt,
    Ledger,
    Outcome,
    Retry,
)
from postroad.log.base import offset_of
from postroad.testing.ledger_cases import (
    SIZE,
    Harness,
    check_books,
    everything,
    frozen,
    frozen_batches,
    is_refused,
    letter,
    retry,
    settlement,
)

_DELIVERED, _RETRY, _DEAD, _DROPPED = Outcome.DELIVERED, Outcome.RETRY, Outcome.DEAD, Outcome.DROPPED


class LedgerConformance:
    """The tests. A subclass sets `harness` before each of them and stops it after."""

    harness: Harness

    async def _account(self) -> tuple[Ledger, int]:
        ledger = await self.harness.open()
        return ledger, (await ledger.open_account("crm", start=0, at=1)).number

    async def test_opens_accounts(self) -> None:
        """An account starts with its cursor at its start and has a number of its own."""
        ledger = await self.harness.open()
        live = await ledger.open_account("crm", start=7, at=1)
        replay = await ledger.open_account("crm", start=0, at=2, end=5, replay="again")
        assert live == Account(live.number, "crm", None, 7, None, 7, 1)
        assert replay == Account(replay.number, "crm", "again", 0, 5, 0, 2)
        assert list(await ledger.accounts()) == [live, replay]
        assert await ledger.account(replay.number) == replay
        assert await ledger.account(99) is None

    async def test_has_one_open_live_account_a_destination(self) -> None:
        """A second live account is refused until the first has ended."""
        ledger, first = await self._account()
        assert await is_refused(ledger.open_account("crm", start=9, at=2))
        await ledger.end_account(first, 9)
        second = await ledger.open_account("crm", start=9, at=2)
        assert [(a.number, a.end) for a in await ledger.accounts()] == [(first, 9), (second.number, None)]

    async def test_settles(self) -> None:
        """One settlement sets bytes, counts them and moves the cursor; what it leaves out stays pending."""
        ledger, crm = await self._account()
        await ledger.settle(crm, settlement({0: _DELIVERED, 2: Outcome.FILTERED_EVENTS}, cursor=1))
        assert await ledger.outcomes(crm, 0) == bytes([1, 0, 17, 0])
        assert await ledger.outcomes(crm, 1) == b""
        assert await ledger.totals(crm) == {_DELIVERED: 1, Outcome.FILTERED_EVENTS: 1}
        account = await ledger.account(crm)
        assert account is not None
        assert account.cursor == 1

    async def test_counts_each_record_once(self) -> None:
        """A record that is settled again moves from one count to the other."""
        ledger, crm = await self._account()
        for outcome in (_RETRY, _RETRY, _DEAD, _RETRY, _DELIVERED, _DELIVERED):
            await ledger.settle(crm, settlement({1: outcome}))
            assert await ledger.totals(crm) == {outcome: 1}
            assert len(await ledger.retries(crm, due_at=None, limit=9)) == (outcome == _RETRY)
            assert len(await ledger.dead(crm)) == (outcome == _DEAD)

    async def test_does_not_count_what_is_out_of_account(self) -> None:
        """A record that belongs to another account has its byte and no count."""
        ledger, crm = await self._account()
        await ledger.settle(crm, settlement({0: Outcome.OUT_OF_ACCOUNT, 1: _DELIVERED}))
        assert await ledger.outcomes(crm, 0) == bytes([255, 1, 0, 0])
        assert await ledger.totals(crm) == {_DELIVERED: 1}

    async def test_keeps_accounts_apart(self) -> None:
        """Two accounts settle the same records, each in its own books."""
        ledger, crm = await self._account()
        other = (await ledger.open_account("files", start=0, at=1)).number
        await asyncio.gather(
            ledger.settle(crm, settlement({0: _RETRY, 1: _DEAD}, attempts=[Attempt(0, 5, 500, "no", "")])),
            ledger.settle(other, settlement({0: _DELIVERED}, cursor=1)),
        )
        assert await ledger.totals(other) == {_DELIVERED: 1}
        assert await ledger.outcomes(crm, 0) == bytes([2, 3, 0, 0])
        assert [await ledger.retries(other, due_at=None, limit=9), await ledger.dead(other)] == [[], []]
        assert list(await ledger.attempts(other, 0)) == []
        assert [await ledger.floor(crm), await ledger.floor(other)] == [0, 1]

    async def test_refuses_what_contradicts_itself(self) -> None:
        """A settlement that breaks a rule is a bug of its caller, and changes nothing."""
        ledger, crm = await self._account()
        await ledger.settle(crm, settlement({0: _DELIVERED}, cursor=1))
        good = settlement({1: _DELIVERED}, cursor=2)
        wrong = {
            "RETRY without a retry": good._replace(outcomes={1: _RETRY}),
            "a retry without RETRY": good._replace(retries=[retry(1)]),
            "DEAD without a dead letter": good._replace(outcomes={1: _DEAD}),
            "a dead letter without DEAD": good._replace(dead=[letter(1)]),
            "pending again": good._replace(outcomes={0: Outcome.PENDING}),
            "the cursor goes back": good._replace(cursor=0),
            "a block of unknown size": settlement({offset_of(1, 0): _DELIVERED})._replace(sizes={}),
            "a block of another size": good._replace(sizes={0: SIZE + 1}),
            "beyond the block's end": good._replace(outcomes={SIZE: _DELIVERED}),
        }
        taken = [why for why, bad in wrong.items() if not await is_refused(ledger.settle(crm, bad))]
        assert taken == []
        assert await is_refused(ledger.settle(99, good))
        assert list(await ledger.blocks(crm, limit=9)) == [(0, bytes([1, 0, 0, 0]))]
        assert [await ledger.retries(crm, due_at=None, limit=9), await ledger.dead(crm)] == [[], []]
        assert await ledger.totals(crm) == {_DELIVERED: 1}

    async def test_wrong_settlement_harms_no_other(self) -> None:
        """Settlements that share a transaction with a wrong one are stored all the same."""
        ledger, crm = await self._account()
        bad = settlement({1: _DELIVERED}, cursor=4)._replace(outcomes={1: _DELIVERED, 9: _DELIVERED})
        answers = await asyncio.gather(
            ledger.settle(crm, settlement({0: _DELIVERED})),
            ledger.settle(crm, bad),
            ledger.settle(crm, settlement({2: _RETRY})),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [type(None), ValueError, type(None)]
        assert await ledger.outcomes(crm, 0) == bytes([1, 0, 2, 0])
        await check_books(ledger, crm)

    async def test_lists_retries_by_their_time(self) -> None:
        """Retries come back the soonest first, only those that are due, and only so many."""
        ledger, crm = await self._account()
        due = [await ledger.next_due(crm)]
        for offset, due_at in ((0, 30), (1, 10), (2, 20)):
            await ledger.settle(crm, settlement({offset: _RETRY}, due_at=due_at))
        assert list(await ledger.retries(crm, due_at=20, limit=9)) == [retry(1, 10), retry(2, 20)]
        assert [one.offset for one in await ledger.retries(crm, due_at=None, limit=2)] == [1, 2]
        due.append(await ledger.next_due(crm))
        await ledger.settle(crm, settlement({1: _RETRY}, due_at=40))
        due.append(await ledger.next_due(crm))
        assert due == [None, 10, 20]
        assert list(await ledger.retries(crm, due_at=None, offset=1, limit=9)) == [retry(1, 40)]
        assert list(await ledger.retries(crm, due_at=39, offset=1, limit=9)) == []

    async def test_keeps_the_value_of_a_retry(self) -> None:
        """A retry that carries its bytes still has them when it is put off without them."""
        ledger, crm = await self._account()
        await ledger.settle(crm, settlement({0: _RETRY}, value=b"bytes"))
        await ledger.settle(crm, settlement({0: _RETRY}, due_at=200))
        assert list(await ledger.retries(crm, due_at=None, limit=9)) == [retry(0, 200, b"bytes")]

    async def test_tells_what_it_needs_from_the_log(self) -> None:
        """The floor is the cursor or the oldest retry whose bytes are only in the log."""
        ledger, crm = await self._account()
        floors = [await ledger.floor(99), await ledger.floor(crm)]
        await ledger.settle(crm, settlement({0: _DEAD, 1: _RETRY, 2: _DELIVERED, 3: _DELIVERED}, cursor=4))
        floors.append(await ledger.floor(crm))
        await ledger.resend(crm, [0], 9)
        floors.append(await ledger.floor(crm))
        await ledger.settle(crm, settlement({1: _DELIVERED}))
        floors.append(await ledger.floor(crm))
        assert floors == [0, 0, 1, 1, 4]

    async def test_lists_dead_letters(self) -> None:
        """Dead letters come back whole and by offset, narrowed by each filter, page by page."""
        ledger, crm = await self._account()
        letters = [letter(0, "A", 10), letter(1, "B", 20), letter(2, "A", 30), letter(3, "B", 40)]
        dead = settlement(dict.fromkeys(range(4), _DEAD))._replace(dead=letters[::-1])
        await ledger.settle(crm, dead)
        assert list(await ledger.dead(crm)) == letters
        assert list(await ledger.dead(crm, offset=2)) == [letters[2]]
        assert list(await ledger.dead(crm, label="A")) == [letters[0], letters[2]]
        assert list(await ledger.dead(crm, since=20, until=40)) == letters[1:3]
        assert list(await ledger.dead(crm, label="B", since=21)) == [letters[3]]
        assert list(await ledger.dead(crm, after=0, limit=2)) == letters[1:3]

    async def test_resends_dead_letters(self) -> None:
        """A resent dead letter is a retry with its bytes and no tries; what is not dead is left alone."""
        ledger, crm = await self._account()
        await ledger.settle(crm, settlement({0: _DEAD, 1: _DELIVERED}))
        assert await ledger.resend(crm, [0, 0, 1, 3, 77], 200) == 1
        assert list(await ledger.dead(crm)) == []
        (resent,) = await ledger.retries(crm, due_at=200, limit=9)
        assert resent._replace(why="") == Retry(0, 200, 0, 200, "", b"key", b"value 0")
        assert await ledger.totals(crm) == {_RETRY: 1, _DELIVERED: 1}
        assert await ledger.resend(crm, [0], 300) == 0

    async def test_drops_dead_letters(self) -> None:
        """A dropped dead letter is gone and counted as dropped."""
        ledger, crm = await self._account()
        await ledger.settle(crm, settlement({0: _DEAD, 1: _RETRY}))
        assert await ledger.drop(crm, [0, 0, 1]) == 1
        assert list(await ledger.dead(crm)) == []
        assert await ledger.totals(crm) == {_DROPPED: 1, _RETRY: 1}

    async def test_remembers_attempts(self) -> None:
        """Failed tries are listed oldest first, also once the record was delivered."""
        ledger, crm = await self._account()
        first, second = Attempt(0, 10, 503, "busy", "later"), Attempt(0, 20, 0, "timeout", "")
        await ledger.settle(crm, settlement({0: _RETRY}, attempts=[second]))
        await ledger.settle(crm, settlement({0: _DELIVERED}, attempts=[first, Attempt(1, 5, 500, "no", "")]))
        assert list(await ledger.attempts(crm, 0)) == [first, second]

    async def test_lists_the_records_that_have_rows(self) -> None:
        """Offsets in retry and in dead come in order, those above another, so many; others have no rows."""
        ledger, crm = await self._account()
        outcomes = {0: _RETRY, 1: _DEAD, 2: _RETRY, 3: _DELIVERED, offset_of(1, 0): _RETRY}
        await ledger.settle(crm, settlement(outcomes))
        assert list(await ledger.rows(crm, _RETRY, limit=9)) == [0, 2, offset_of(1, 0)]
        assert list(await ledger.rows(crm, _RETRY, after=0, limit=1)) == [2]
        assert list(await ledger.rows(crm, _DEAD, limit=9)) == [1]
        assert list(await ledger.rows(crm, _DELIVERED, limit=9)) == []
        assert list(await ledger.rows(crm + 1, _DEAD, limit=9)) == []

    async def test_pages_through_blocks(self) -> None:
        """Blocks with outcomes come in order, those above a number, so many at a time."""
        ledger, crm = await self._account()
        for block in (5, 1, 3):
            await ledger.settle(crm, settlement({offset_of(block, 0): _DELIVERED}))
        assert [number for number, _ in await ledger.blocks(crm, limit=2)] == [1, 3]
        assert list(await ledger.blocks(crm, after=3, limit=2)) == [(5, bytes([1, 0, 0, 0]))]

    async def test_keeps_frozen_batches(self) -> None:
        """A frozen batch is kept with its records in their order, each account's apart, and can be put off."""
        ledger, crm = await self._account()
        other = (await ledger.open_account("files", start=0, at=1)).number
        late, soon = frozen(offset_of(1, 2), 0, 3), frozen(1, 2)
        await ledger.freeze_batches(crm, [late, soon])
        await ledger.freeze_batches(other, [frozen(0)])
        assert [await frozen_batches(ledger, crm), await frozen_batches(ledger, other)] == [[soon, late], [frozen(0)]]
        put_off = late._replace(due_at=500, tries=2, first_at=60, why="503")
        await ledger.freeze_batches(crm, [put_off])
        assert await frozen_batches(ledger, crm) == [soon, put_off]
        assert await ledger.totals(crm) == {}

    async def test_has_each_record_in_one_frozen_batch(self) -> None:
        """A batch that is frozen takes the place of those that share a record with it; one can't hold it twice."""
        ledger, crm = await self._account()
        await ledger.freeze_batches(crm, [frozen(0, 1), frozen(2, 3)])
        await ledger.freeze_batches(crm, [frozen(1), frozen(0)])
        assert await frozen_batches(ledger, crm) == [frozen(0), frozen(1), frozen(2, 3)]
        wrong = [[frozen(1, 1)], [frozen(1, 2), frozen(2)], [frozen()]]
        assert [await is_refused(ledger.freeze_batches(crm, batches)) for batches in wrong] == [True] * 3
        assert await is_refused(ledger.freeze_batches(99, [frozen(0)]))
        assert await frozen_batches(ledger, crm) == [frozen(0), frozen(1), frozen(2, 3)]

    async def test_lets_a_frozen_batch_go_when_it_is_settled(self) -> None:
        """The settlement of any of its records lets a batch go, and no other; a wrong one lets nothing go."""
        ledger, crm = await self._account()
        await ledger.freeze_batches(crm, [frozen(0, 1), frozen(3, 2)])
        assert await is_refused(ledger.settle(crm, settlement({1: _DELIVERED, 9: _DELIVERED})))
        assert await frozen_batches(ledger, crm) == [frozen(0, 1), frozen(3, 2)]
        await ledger.settle(crm, settlement({2: _RETRY}))
        assert await frozen_batches(ledger, crm) == [frozen(0, 1)]
        await asyncio.gather(ledger.freeze_batches(crm, [frozen(3)]), ledger.settle(crm, settlement({3: _DELIVERED})))
        assert await frozen_batches(ledger, crm) == [frozen(0, 1)]
        await self._settle_all_and_forget(ledger, crm)
        assert await frozen_batches(ledger, crm) == []

    async def _settle_all_and_forget(self, ledger: Ledger, crm: int) -> None:
        """A resent dead letter may be in a batch when its block is long forgotten."""
        await ledger.settle(crm, settlement({0: _DEAD, 1: _DELIVERED, 2: _DELIVERED}, cursor=offset_of(1, 0)))
        await ledger.forget(offset_of(1, 0))
        await ledger.resend(crm, [0], 7)
        await ledger.freeze_batches(crm, [frozen(0)])
        assert await frozen_batches(ledger, crm) == [frozen(0)]
        await ledger.settle(crm, settlement({0: _DELIVERED}))

    async def _forgotten(self) -> tuple[Ledger, int]:
        """An account whose block 0 was forgotten: dead, in retry, delivered and filtered."""
        ledger, crm = await self._account()
        outcomes = {0: _DEAD, 1: _RETRY, 2: _DELIVERED, 3: Outcome.FILTERED_EVENTS, offset_of(1, 0): _DELIVERED}
        tries = [Attempt(offset, 5, 503, "busy", "") for offset in range(3)]
        await ledger.settle(crm, settlement(outcomes, cursor=offset_of(1, 1), attempts=tries))
        await ledger.forget(offset_of(1, 0))
        return ledger, crm

    async def test_forgets_blocks_and_not_their_counts(self) -> None:
        """The bytes and attempts of retired blocks go; counts, dead letters and retries stay."""
        ledger, crm = await self._forgotten()
        assert list(await ledger.blocks(crm, limit=9)) == [(1, bytes([1, 0, 0, 0]))]
        assert await ledger.totals(crm) == {_DEAD: 1, _RETRY: 1, _DELIVERED: 2, Outcome.FILTERED_EVENTS: 1}
        assert await ledger.forgotten(crm) == {_DEAD: 1, _RETRY: 1, _DELIVERED: 1, Outcome.FILTERED_EVENTS: 1}
        assert [one.offset for one in await ledger.dead(crm)] == [0]
        assert [one.offset for one in await ledger.retries(crm, due_at=None, limit=9)] == [1]
        assert [len(await ledger.attempts(crm, offset)) for offset in range(3)] == [1, 1, 0]
        await check_books(ledger, crm)

    async def test_settles_what_was_forgotten_in_retry_or_dead(self) -> None:
        """A forgotten dead letter or retry that is settled moves its count, and then its attempts go."""
        ledger, crm = await self._forgotten()
        assert await ledger.resend(crm, [0], 7) == 1
        await check_books(ledger, crm)
        await ledger.settle(crm, settlement({0: _DELIVERED, 1: _DEAD, offset_of(1, 1): _DELIVERED}))
        await check_books(ledger, crm)
        assert await ledger.drop(crm, [1]) == 1
        assert await ledger.totals(crm) == {_DELIVERED: 4, _DROPPED: 1, Outcome.FILTERED_EVENTS: 1}
        assert [len(await ledger.attempts(crm, offset)) for offset in range(2)] == [0, 0]
        await check_books(ledger, crm)

    async def test_ignores_what_was_forgotten_for_good(self) -> None:
        """Nothing that is said of a forgotten record in neither retry nor dead changes the books."""
        ledger, crm = await self._forgotten()
        before = await ledger.totals(crm)
        await ledger.forget(0)  # what is forgotten stays so
        tries = [Attempt(2, 6, 503, "busy", "")]
        await ledger.settle(crm, settlement({2: _RETRY, 3: _DEAD}, attempts=tries))
        assert await ledger.totals(crm) == before
        assert [one.offset for one in await ledger.retries(crm, due_at=None, limit=9)] == [1]
        assert [one.offset for one in await ledger.dead(crm)] == [0]
        assert list(await ledger.attempts(crm, 2)) == []

    async def test_forgets_only_what_the_cursor_has_passed(self) -> None:
        """A block that still may be settled keeps its bytes, unless its account has come to its end."""
        ledger, crm = await self._account()
        await ledger.settle(crm, settlement({0: _DELIVERED}, cursor=1))
        await ledger.forget(offset_of(9, 0))
        assert await ledger.outcomes(crm, 0) == bytes([1, 0, 0, 0])
        await ledger.settle(crm, settlement({1: _DELIVERED}, cursor=2))
        await ledger.end_account(crm, 2)
        await ledger.forget(offset_of(9, 0))
        assert await ledger.outcomes(crm, 0) == b""
        assert await ledger.totals(crm) == {_DELIVERED: 2}
        await check_books(ledger, crm)

    async def test_survives_a_crash(self) -> None:
        """All that was answered is there after the writer was killed."""
        ledger, crm = await self._forgotten()
        await ledger.settle(crm, settlement({offset_of(1, 1): _RETRY}, cursor=offset_of(1, 2)))
        await ledger.freeze_batches(crm, [frozen(offset_of(1, 3), offset_of(1, 2))])
        before = await everything(ledger, crm)
        await self.harness.crash()
        assert await everything(await self.harness.open(), crm) == before

    async def test_readers_see_what_was_settled(self) -> None:
        """A reader sees an empty ledger while there is none, and each settlement once it is answered."""
        reader = await self.harness.reader()
        assert [list(await reader.accounts()), await reader.floor(1), await reader.next_due(1)] == [[], 0, None]
        ledger, crm = await self._forgotten()
        assert await everything(reader, crm) == await everything(ledger, crm)
        await ledger.settle(crm, settlement({1: _DELIVERED}))
        assert await reader.totals(crm) == await ledger.totals(crm)
        await reader.close()
        await reader.close()

    async def test_opens_again_after_a_close(self) -> None:
        """Closing twice does nothing more, and what was settled is there when it opens again."""
        ledger, crm = await self._forgotten()
        before = await everything(ledger, crm)
        await ledger.close()
        await ledger.close()
        assert await everything(await self.harness.open(), crm) == before
