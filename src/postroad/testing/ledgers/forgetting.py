"""What is left of a block that the log retired."""

from postroad.ledger.base import Attempt, Ledger, Outcome
from postroad.log.base import offset_of
from postroad.testing.ledgers.cases import LedgerCase, check_books, settlement

_DELIVERED, _RETRY, _DEAD, _DROPPED = Outcome.DELIVERED, Outcome.RETRY, Outcome.DEAD, Outcome.DROPPED


class ForgettingConformance(LedgerCase):
    """Forgetting lets bytes go and no count."""

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
        await ledger.end_account(crm, 2, at=1, by="stopped")
        await ledger.forget(offset_of(9, 0))
        assert await ledger.outcomes(crm, 0) == b""
        assert await ledger.totals(crm) == {_DELIVERED: 2}
        await check_books(ledger, crm)
