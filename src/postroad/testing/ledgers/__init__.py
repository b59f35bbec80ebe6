"""What every ledger must do, as tests that the author of another engine runs too.

    class TestMyLedger(LedgerConformance):
        @pytest.fixture(autouse=True)
        def bring(self, tmp_path):
            self.harness = MyHarness(tmp_path)

The fixture stops the harness after the test. pytest-asyncio in auto mode runs the tests; nothing here
imports pytest.
"""

from postroad.ledger.base import Outcome
from postroad.log.base import offset_of
from postroad.testing.ledgers.cases import Harness, everything, frozen, settlement
from postroad.testing.ledgers.evicting import EvictingConformance
from postroad.testing.ledgers.forgetting import ForgettingConformance
from postroad.testing.ledgers.freezing import FreezingConformance
from postroad.testing.ledgers.losing import LosingConformance
from postroad.testing.ledgers.settling import SettlingConformance
from postroad.testing.ledgers.waiting import WaitingConformance

__all__ = ["Harness", "LedgerConformance"]

_DELIVERED, _RETRY = Outcome.DELIVERED, Outcome.RETRY


class LedgerConformance(
    SettlingConformance,
    WaitingConformance,
    FreezingConformance,
    ForgettingConformance,
    LosingConformance,
    EvictingConformance,
):
    """The tests. A subclass sets `harness` before each of them and stops it after."""

    async def test_survives_a_crash(self) -> None:
        """All that was answered is there after the writer was killed."""
        ledger, crm = await self._forgotten()
        await ledger.settle(crm, settlement({offset_of(1, 1): _RETRY}, cursor=offset_of(1, 2)))
        await ledger.freeze_batches(crm, [frozen(offset_of(1, 3), offset_of(1, 2))])
        await ledger.lose(crm, offset_of(5, 0), offset_of(6, 0), 3)
        await ledger.adopt("0a", 1)
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

    async def test_says_that_it_can_be_used(self) -> None:
        """While nothing is wrong there is no trouble, and a look finds none."""
        ledger = await self.harness.open()
        assert await ledger.check()
        assert not ledger.trouble
