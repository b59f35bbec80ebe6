"""What the log can't give any more, and whose log it is."""

from postroad.errors import StoreError
from postroad.ledger.base import Ledger, Lost, Outcome
from postroad.log.base import offset_of
from postroad.testing.ledgers.cases import LedgerCase, check_books, frozen, frozen_batches, is_refused, settlement

_DELIVERED, _RETRY, _DEAD, _LOST = Outcome.DELIVERED, Outcome.RETRY, Outcome.DEAD, Outcome.LOST
_START, _END = offset_of(1, 0), offset_of(4, 0)


class LosingConformance(LedgerCase):
    """What is lost is counted once, whatever was known of it."""

    async def _touched(self) -> tuple[Ledger, int]:
        """An account that has settled a part of block 2 when blocks 1 to 3 are damaged."""
        ledger, crm = await self._account()
        outcomes = {offset_of(2, 0): _DELIVERED, offset_of(2, 1): _RETRY, offset_of(2, 2): _DEAD}
        await ledger.settle(crm, settlement({0: _DELIVERED, **outcomes, offset_of(4, 0): _RETRY}))
        return ledger, crm

    async def test_loses_what_had_no_byte(self) -> None:
        """Records that nobody knows are one row with their number, counted in the totals."""
        ledger, crm = await self._account()
        assert [await ledger.lose(crm, _START, _END, 7)] == [7]
        assert list(await ledger.lost(crm)) == [Lost(_START, _END, 7)]
        assert await ledger.totals(crm) == {_LOST: 7}
        assert list(await ledger.lost(crm + 1)) == []
        await check_books(ledger, crm)

    async def test_loses_what_was_pending_or_in_retry(self) -> None:
        """What had no outcome yet becomes lost, what was settled or dead stays, and the rest has its row."""
        ledger, crm = await self._touched()
        assert [await ledger.lose(crm, _START, _END, 12)] == [10]
        assert await ledger.outcomes(crm, 2) == bytes([_DELIVERED, _LOST, _DEAD, _LOST])
        assert list(await ledger.lost(crm)) == [Lost(_START, _END, 8)]
        assert [one.offset for one in await ledger.retries(crm, due_at=None, limit=9)] == [_END]
        assert [one.offset for one in await ledger.dead(crm)] == [offset_of(2, 2)]
        assert await ledger.totals(crm) == {_DELIVERED: 2, _RETRY: 1, _DEAD: 1, _LOST: 10}
        await check_books(ledger, crm)

    async def test_loses_once(self) -> None:
        """The same stretch counts once, and one that has grown for what it has grown by."""
        ledger, crm = await self._touched()
        counts = [await ledger.lose(crm, _START, end, 12) for end in (_END, _END)]
        counts += [await ledger.lose(crm, _START, offset_of(4, 1), 19) for _ in range(2)]
        assert counts == [10, 0, 4, 0]
        assert [row.records for row in await ledger.lost(crm)] == [8, 3]
        await check_books(ledger, crm)

    async def test_keeps_retries_with_bytes(self) -> None:
        """A resent dead letter has bytes of its own: it is not lost, and stays in its frozen batch."""
        ledger, crm = await self._touched()
        await ledger.resend(crm, [offset_of(2, 2)], 9)
        batch = frozen(_END, offset_of(2, 2), offset_of(2, 1), offset_of(3, 0))
        await ledger.freeze_batches(crm, [batch, frozen(offset_of(1, 1))])
        await ledger.lose(crm, _START, _END, 12)
        assert await frozen_batches(ledger, crm) == [frozen(_END, offset_of(2, 2))]
        assert [one.offset for one in await ledger.retries(crm, due_at=9, limit=9)] == [offset_of(2, 2)]
        await check_books(ledger, crm)

    async def test_ignores_what_is_said_of_the_unread(self) -> None:
        """Nothing that is said of a record without a byte in a lost stretch changes the books any more."""
        ledger, crm = await self._touched()
        await ledger.lose(crm, _START, _END, 12)
        before = await ledger.totals(crm)
        said = {offset_of(1, 0): _DELIVERED, offset_of(3, 1): _RETRY, offset_of(3, 2): _DEAD}
        await ledger.settle(crm, settlement(said, cursor=_END))
        assert await ledger.totals(crm) == before
        assert [number for number, _ in await ledger.blocks(crm, limit=9)] == [0, 2, 4]
        assert [one.offset for one in await ledger.dead(crm)] == [offset_of(2, 2)]
        await ledger.settle(crm, settlement({offset_of(2, 1): _DELIVERED}))  # it has a byte: it was under way
        assert await ledger.totals(crm) == {**before, _DELIVERED: 3, _LOST: 9}
        await check_books(ledger, crm)

    async def test_keeps_what_was_lost(self) -> None:
        """Forgetting folds the bytes that are lost, never the rows; a retry of a forgotten block can be lost."""
        ledger, crm = await self._touched()
        await ledger.lose(crm, _START, offset_of(2, 0), 3)
        rest = {place: _DELIVERED for block in (0, 2) for place in range(offset_of(block, 0), offset_of(block, 4))}
        await ledger.settle(crm, settlement({**rest, offset_of(2, 1): _RETRY}, cursor=offset_of(3, 0)))
        await ledger.forget(offset_of(3, 0))
        assert await ledger.lose(crm, 0, offset_of(3, 0), 11) == 1
        assert await ledger.forgotten(crm) == {_DELIVERED: 7, _LOST: 1}
        assert await ledger.totals(crm) == {_DELIVERED: 7, _RETRY: 1, _LOST: 4}
        assert list(await ledger.lost(crm)) == [Lost(_START, offset_of(2, 0), 3)]
        await check_books(ledger, crm)

    async def test_loses_what_is_its_own(self) -> None:
        """Of a stretch that an account has a part of, what other accounts know to lie beyond does not count."""
        ledger, crm = await self._account()
        late = (await ledger.open_account("late", start=offset_of(2, 0), at=1)).number
        for block in range(4):
            await ledger.settle(crm, settlement({offset_of(block, 0): _DELIVERED}))
        assert [await ledger.lose(late, 0, _END, 16), await ledger.lose(late, 0, _START, 4)] == [8, 0]
        assert list(await ledger.lost(late)) == [Lost(offset_of(2, 0), _END, 8)]
        await ledger.end_account(crm, offset_of(2, 0), at=9, by="abandoned")
        assert [await ledger.lose(crm, 0, _END, 16)] == [6]
        assert await ledger.outcomes(crm, 2) == bytes([_DELIVERED, 0, 0, 0])
        await check_books(ledger, crm)

    async def test_refuses_what_is_no_stretch(self) -> None:
        """A stretch that ends before it begins, or has less than no events, is a bug of the caller."""
        ledger, crm = await self._account()
        wrong = [(5, 5, 1), (6, 5, 1), (5, 6, -1)]
        assert [await is_refused(ledger.lose(crm, *stretch)) for stretch in wrong] == [True] * 3
        assert await is_refused(ledger.lose(99, 0, 5, 1))

    async def test_belongs_to_one_log(self) -> None:
        """A ledger notes the log it belongs to and that one's epochs, and refuses another in words."""
        ledger = await self.harness.open()
        assert await ledger.identity() is None
        await ledger.adopt("0a", 1)
        await ledger.adopt("0a", 2)
        try:
            await ledger.adopt("0b", 3)
        except StoreError as error:
            told = str(error)
        assert "0a" in told
        assert "0b" in told
        await self.harness.crash()
        assert await (await self.harness.open()).identity() == ("0a", 2)
