"""Retries, dead letters and the attempts that led to them."""

from postroad.ledger.base import Attempt, Outcome, RetryRow
from postroad.log.base import offset_of
from postroad.testing.ledgers.cases import LedgerCase, frozen, is_refused, letter, retry, settlement

_DELIVERED, _RETRY, _DEAD, _DROPPED = Outcome.DELIVERED, Outcome.RETRY, Outcome.DEAD, Outcome.DROPPED


class WaitingConformance(LedgerCase):
    """What is not delivered yet is listed, kept with its bytes, resent and dropped."""

    async def test_lists_retries_by_their_time(self) -> None:
        """Retries come back the soonest first, only those that are due in the time asked for, and only so many."""
        ledger, crm = await self._account()
        due = [await ledger.next_due(crm)]
        for offset, due_at in ((0, 30), (1, 10), (2, 20)):
            await ledger.settle(crm, settlement({offset: _RETRY}, due_at=due_at))
        assert list(await ledger.retries(crm, due_at=20, limit=9)) == [retry(1, 10), retry(2, 20)]
        assert [one.offset for one in await ledger.retries(crm, due_at=None, limit=2)] == [1, 2]
        assert [one.offset for one in await ledger.retries(crm, due_at=None, due_after=10, limit=1)] == [2]
        assert list(await ledger.retries(crm, due_at=20, due_after=20, limit=9)) == []
        due.append(await ledger.next_due(crm))
        await ledger.settle(crm, settlement({1: _RETRY}, due_at=40))
        due.append(await ledger.next_due(crm))
        assert due == [None, 10, 20]
        assert list(await ledger.retries(crm, due_at=None, offset=1, limit=9)) == [retry(1, 40)]
        assert list(await ledger.retries(crm, due_at=39, offset=1, limit=9)) == []

    async def test_hastens(self) -> None:
        """What is due later is due at the time that is said, frozen batches too; what is due before stays as it is."""
        ledger, crm = await self._account()
        other = (await ledger.open_account("files", start=0, at=1)).number
        for account, offset, due_at in ((crm, 0, 30), (crm, 1, 10), (other, 0, 30)):
            await ledger.settle(account, settlement({offset: _RETRY}, due_at=due_at))
        await ledger.freeze_batches(crm, [frozen(2)])
        assert [await ledger.hasten(crm, 20), await ledger.next_due(other)] == [2, 30]
        assert list(await ledger.retries(crm, due_at=None, limit=9)) == [retry(1, 10), retry(0, 20)]
        assert [batch.due_at for batch in await ledger.frozen(crm)] == [20]
        assert await is_refused(ledger.hasten(99, 20))

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

    async def test_tells_what_it_knows_of_the_log(self) -> None:
        """The end is above whatever is known, of any account, and never falls."""
        ledger = await self.harness.open()
        ends = [await ledger.end()]
        crm = (await ledger.open_account("crm", start=3, at=1)).number
        ends.append(await ledger.end())
        await ledger.settle(crm, settlement({offset_of(1, 1): _DELIVERED}, cursor=4))
        ends.append(await ledger.end())
        await ledger.settle(crm, settlement({offset_of(2, 2): _RETRY, offset_of(2, 3): _DEAD}))
        ends.append(await ledger.end())
        await ledger.freeze_batches(crm, [frozen(offset_of(5, 1), offset_of(4, 2))])
        ends.append(await ledger.end())
        await ledger.lose(crm, offset_of(6, 0), offset_of(7, 0), 3)
        ends.append(await ledger.end())
        await ledger.open_account("crm", start=0, end=offset_of(9, 1), at=1, replay="{}")
        ends.append(await ledger.end())
        places = [offset_of(2, 0), offset_of(3, 0), offset_of(5, 2), offset_of(7, 0), offset_of(9, 1)]
        assert ends == [0, 3, *places]

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
        assert resent._replace(why="") == RetryRow(0, 200, 0, 200, "", b"key", b"value 0")
        assert await ledger.totals(crm) == {_RETRY: 1, _DELIVERED: 1}
        assert await ledger.resend(crm, [0], 300) == 0

    async def test_keeps_the_form(self) -> None:
        """How a record is named to its receiver stays with its row: in retry, frozen, dead, and resent."""
        ledger, crm = await self._account()
        row, dead = retry(0)._replace(form=1), letter(1)._replace(form=2)
        given = settlement({0: _RETRY, 1: _DEAD})._replace(retries=[row], dead=[dead])
        await ledger.settle(crm, given)
        await ledger.freeze_batches(crm, [frozen(2, 3)._replace(form=1)])
        assert [one.form for one in await ledger.retries(crm, due_at=None, limit=9)] == [1]
        assert [one.form for one in await ledger.dead(crm)] == [2]
        assert [one.form for one in await ledger.frozen(crm)] == [1]
        await ledger.settle(crm, settlement({0: _RETRY})._replace(retries=[row._replace(form=0)]))
        await ledger.resend(crm, [1], 10_000)
        assert [one.form for one in await ledger.retries(crm, due_at=None, limit=9)] == [0, 2]  # the soonest first

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
