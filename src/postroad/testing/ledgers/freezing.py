"""Frozen batches."""

import asyncio

from postroad.ledger.base import Ledger, Outcome
from postroad.log.base import offset_of
from postroad.testing.ledgers.cases import LedgerCase, frozen, frozen_batches, is_refused, settlement

_DELIVERED, _RETRY, _DEAD = Outcome.DELIVERED, Outcome.RETRY, Outcome.DEAD


class FreezingConformance(LedgerCase):
    """A frozen batch is kept as it is until one of its records is settled."""

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
