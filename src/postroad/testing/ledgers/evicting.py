"""How many dead letters are kept."""

from postroad.ledger.base import DeadLetter, Ledger, Outcome, Quota
from postroad.log.base import offset_of
from postroad.testing.ledgers.cases import LedgerCase, check_books, letter, settlement

_DEAD, _EVICTED = Outcome.DEAD, Outcome.EVICTED
_PLENTY = 1 << 20


class EvictingConformance(LedgerCase):
    """Of each account's dead letters the oldest go when there are too many."""

    async def _die(self, ledger: Ledger, account: int, *letters: DeadLetter) -> None:
        dead = settlement({one.offset: _DEAD for one in letters})
        await ledger.settle(account, dead._replace(dead=letters))

    async def test_evicts_the_oldest(self) -> None:
        """The letters that died first go, are counted as evicted, and can't be resent; each account has its quota."""
        ledger = await self.harness.open(Quota(2, _PLENTY))
        crm = (await ledger.open_account("crm", start=0, at=1)).number
        other = (await ledger.open_account("files", start=0, at=1)).number
        await self._die(ledger, other, letter(0), letter(1))
        await self._die(ledger, crm, letter(0, died_at=30), letter(1, died_at=10), letter(2, died_at=20))
        assert [one.offset for one in await ledger.dead(crm)] == [0, 2]
        assert await ledger.outcomes(crm, 0) == bytes([_DEAD, _EVICTED, _DEAD, 0])
        await self._die(ledger, crm, letter(3, died_at=40))
        assert [one.offset for one in await ledger.dead(crm)] == [0, 3]
        assert await ledger.totals(crm) == {_DEAD: 2, _EVICTED: 2}
        assert await ledger.resend(crm, [1], 9) == 0
        assert [one.offset for one in await ledger.dead(other)] == [0, 1]
        await check_books(ledger, crm)

    async def test_counts_bytes_as_they_are_kept(self) -> None:
        """What letters have in bytes is bounded too; those that were resent or dropped count no more."""
        ledger = await self.harness.open(Quota(1000, 2500))
        crm = (await ledger.open_account("crm", start=0, at=1)).number
        noise = bytes(n * n * 7919 >> 5 & 255 for n in range(1000))
        big = [letter(offset, died_at=offset)._replace(value=noise[::-1] + noise[:offset]) for offset in range(4)]
        await self._die(ledger, crm, big[0], big[1])
        assert await ledger.drop(crm, [0]) == 1
        await self._die(ledger, crm, big[2])
        kept = list(await ledger.dead(crm))
        assert kept == big[1:3]
        await self._die(ledger, crm, big[3], big[2])
        assert list(await ledger.dead(crm)) == big[2:4]
        await check_books(ledger, crm)

    async def test_evicts_what_was_forgotten(self) -> None:
        """A letter whose block was forgotten is evicted as well, and its count moves."""
        ledger = await self.harness.open(Quota(1, _PLENTY))
        crm = (await ledger.open_account("crm", start=0, at=1)).number
        await self._die(ledger, crm, letter(0, died_at=1))
        rest = settlement(dict.fromkeys(range(1, 4), Outcome.DELIVERED), cursor=offset_of(1, 0))
        await ledger.settle(crm, rest)
        await ledger.forget(offset_of(1, 0))
        await self._die(ledger, crm, letter(offset_of(1, 0), died_at=2))
        assert await ledger.forgotten(crm) == {_EVICTED: 1, Outcome.DELIVERED: 3}
        assert [one.offset for one in await ledger.dead(crm)] == [offset_of(1, 0)]
        await check_books(ledger, crm)
