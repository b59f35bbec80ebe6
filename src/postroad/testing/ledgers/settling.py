"""Accounts and settlements."""

import asyncio

from postroad.ledger.base import Account, Attempt, Outcome
from postroad.ledger.hold import Hold, holds_of
from postroad.log.base import offset_of
from postroad.testing.ledgers.cases import SIZE, LedgerCase, check_books, is_refused, letter, retry, settlement

_DELIVERED, _RETRY, _DEAD = Outcome.DELIVERED, Outcome.RETRY, Outcome.DEAD


class SettlingConformance(LedgerCase):
    """Every record has one outcome in each account, and is counted once."""

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
        await ledger.end_account(first, 9, at=2, by="abandoned")
        second = await ledger.open_account("crm", start=9, at=2)
        assert [(a.number, a.end) for a in await ledger.accounts()] == [(first, 9), (second.number, None)]

    async def test_says_what_ended_an_account(self) -> None:
        """An end is kept with its time and its reason, and can be set anew."""
        ledger, crm = await self._account()
        await ledger.end_account(crm, 9, at=5, by="taken over")
        await ledger.end_account(crm, 7, at=6, by="abandoned")
        assert await ledger.account(crm) == Account(crm, "crm", None, 0, 7, 0, 1, "refuse", 6, "abandoned")
        assert await is_refused(ledger.end_account(99, 7, at=6, by="abandoned"))

    async def test_keeps_policies(self) -> None:
        """The policy of an account is what was said last, and no other account's; at first it is to refuse."""
        ledger, crm = await self._account()
        other = await ledger.open_account("files", start=0, at=1)
        await ledger.set_policy(crm, "expire")
        assert [account.policy for account in await ledger.accounts()] == ["expire", "refuse"]
        await ledger.settle(crm, settlement({0: _DELIVERED}, cursor=1))
        assert [account.policy for account in await ledger.accounts()] == ["expire", "refuse"]
        await ledger.set_policy(crm, "refuse")
        assert (await ledger.account(crm), await ledger.account(other.number)) == (
            Account(crm, "crm", None, 0, None, 1, 1),
            other,
        )
        assert await is_refused(ledger.set_policy(99, "expire"))

    async def test_keeps_holds(self) -> None:
        """The hold of an account is what was said last, goes with it to another id, and ends when that is said."""
        ledger, crm = await self._account()
        await ledger.set_hold(crm, Hold(5, "ada", "it moves"))
        await ledger.settle(crm, settlement({0: _DELIVERED}, cursor=1))
        await ledger.rename("crm", "hubspot")
        assert holds_of(await ledger.accounts()) == {"hubspot": Hold(5, "ada", "it moves")}
        await ledger.set_hold(crm, Hold(6))
        assert holds_of(await ledger.accounts()) == {"hubspot": Hold(6)}
        await ledger.set_hold(crm, None)
        assert holds_of(await ledger.accounts()) == {}
        assert await is_refused(ledger.set_hold(99, None))

    async def test_renames_a_destination(self) -> None:
        """All accounts of a destination go on under the new id with what is in them; nobody else's change."""
        ledger, crm = await self._account()
        replay = await ledger.open_account("crm", start=0, at=2, end=5, replay="again")
        other = await ledger.open_account("files", start=0, at=3)
        await ledger.settle(crm, settlement({0: _DELIVERED, 1: _RETRY, 2: _DEAD}, cursor=1))
        await ledger.rename("crm", "hubspot")
        await ledger.rename("crm", "hubspot")
        await ledger.rename("hubspot", "hubspot")
        accounts = await ledger.accounts()
        assert [account.destination for account in accounts] == ["hubspot", "hubspot", "files"]
        assert accounts[1:] == [replay._replace(destination="hubspot"), other]
        assert (await ledger.totals(crm), accounts[0].cursor) == ({_DELIVERED: 1, _RETRY: 1, _DEAD: 1}, 1)
        assert await is_refused(ledger.open_account("hubspot", start=0, at=4))
        await ledger.open_account("crm", start=9, at=5)

    async def test_renames_into_a_destination_that_has_accounts(self) -> None:
        """Both may have accounts, but only one of them an open live one: else the call is a bug."""
        ledger, crm = await self._account()
        await ledger.open_account("hubspot", start=5, at=2)
        assert await is_refused(ledger.rename("crm", "hubspot"))
        await ledger.end_account(crm, 5, at=3, by="taken over")
        await ledger.rename("crm", "hubspot")
        assert [(one.destination, one.end) for one in await ledger.accounts()] == [("hubspot", 5), ("hubspot", None)]

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

    async def test_pages_through_blocks(self) -> None:
        """Blocks with outcomes come in order, those above a number, so many at a time."""
        ledger, crm = await self._account()
        for block in (5, 1, 3):
            await ledger.settle(crm, settlement({offset_of(block, 0): _DELIVERED}))
        assert [number for number, _ in await ledger.blocks(crm, limit=2)] == [1, 3]
        assert list(await ledger.blocks(crm, after=3, limit=2)) == [(5, bytes([1, 0, 0, 0]))]
