"""Accounts follow the configuration, and no edit of it lets go what is owed."""

import asyncio

import pytest
from bench import Bench, Scripted, calm, plan

from postroad.delivery.accounts import Wanted, open_accounts
from postroad.delivery.engine import Engine, Service
from postroad.delivery.giving_up import expire
from postroad.destinations.base import Refused, Retry
from postroad.errors import StoreUnavailable, UsageError
from postroad.ledger.base import Account, DeadLetter, FrozenBatch, Outcome, Settlement
from postroad.log.base import BLOCK_SPAN

HELD = {"DELIVERED": 3, "RETRY": 1, "DEAD": 1}
ABANDONED = {"DELIVERED": 3, "DEAD": 1, "ABANDONED": 3}


async def opened(bench, *wanted, starting_offsets=dict):
    """Open the accounts of these destinations; returns them by id."""
    return await open_accounts([Wanted(*one) for one in wanted], bench.log, bench.ledger, bench.clock, starting_offsets)


async def run(bench, *services, **more):
    """Run an engine, until there is nothing it can do."""
    engine = Engine(services, bench.log, bench.ledger, bench.clock, **more)
    bench.task = asyncio.create_task(engine.run())
    await calm()
    return engine


def service(destination, name="hook", **more):
    """Return how a scripted destination is served."""
    return Service(plan(name), lambda: destination, from_beginning=False, **more)


def noting(dropped):
    """Return a `drop_starting_offset` that notes whose were dropped."""

    async def drop(destination):
        dropped.append(destination)

    return drop


async def removed(bench: Bench) -> None:
    """Leave an account with a delivery, a retry, a dead letter, one settled beyond the cursor and two unread."""
    await bench.append("a", "b", "c", "d", "e")
    await bench.append("f")
    await bench.start(Scripted({"b": [Retry("busy", 100)], "c": [Refused("HTTP 400")], "d": [None]}))
    await bench.kill()
    await bench.append("g")


async def test_where_a_new_account_starts(bench):
    """A new destination gets what comes from now on, or everything that is kept, as it is configured."""
    await bench.append("a")
    wanted = [("new", False), ("all", True)]
    found = await opened(bench, *wanted)
    assert {name: account.start for name, account in found.items()} == {"new": BLOCK_SPAN, "all": 0}
    assert await opened(bench, *wanted) == found


async def test_an_account_begins_at_its_starting_offset(bench):
    """A destination that was configured before is owed what came since, but never what is not there yet."""
    await bench.append("a")
    await bench.append("b")
    await bench.append("c")
    starting_offsets = {"early": BLOCK_SPAN, "beyond": 9 * BLOCK_SPAN}
    found = await opened(bench, ("early",), ("beyond",), ("unheard",), starting_offsets=lambda: starting_offsets)
    starts = {name: account.start for name, account in found.items()}
    assert starts == {"early": BLOCK_SPAN, "beyond": 3 * BLOCK_SPAN, "unheard": 3 * BLOCK_SPAN}


async def test_the_policy_is_kept(bench):
    """The ledger has the last `on_backlog_full` of each destination, also of one that is gone."""
    await opened(bench, ("hook", False, "expire"), ("other", False, "refuse"))
    await opened(bench, ("other", False, "expire"))
    assert [account.policy for account in await bench.ledger.accounts()] == ["expire", "expire"]
    assert (await opened(bench, ("other", False, "refuse")))["other"].policy == "refuse"


async def test_a_removed_destination_is_held(bench):
    """What was owed to it stays owed, and so is what comes: it gets all of it, once, when it is back."""
    await removed(bench)
    await run(bench)
    await bench.append("h")
    account = await bench.account()
    assert (account.end, account.cursor) == (None, 3)
    assert await bench.totals() == HELD
    await bench.stop()
    destination = Scripted()
    await run(bench, service(destination))
    await bench.pass_time(200)
    assert sorted(destination.seen) == ["b", "d", "g", "h"]
    assert await bench.totals() == {"DELIVERED": 7, "DEAD": 1}


async def test_a_destination_without_an_account_that_is_gone_is_held(bench):
    """One that was configured when events came and was gone before it had an account is owed them all the same."""
    await bench.append("a")
    await opened(bench, ("other",), starting_offsets=lambda: {"hook": 0, "other": 0})
    assert {one.destination: one.start for one in await bench.ledger.accounts()} == {"other": 0, "hook": 0}
    destination = Scripted()
    await run(bench, service(destination))
    assert destination.seen == ["a"]


async def test_a_destination_can_be_abandoned(bench):
    """What it was owed, unread and in retry, is abandoned, the account ended, and it is owed nothing more."""
    await removed(bench)
    dropped = []
    engine = await run(bench, drop_starting_offset=noting(dropped))
    bench.clock.advance(5)
    await engine.abandon("hook")
    await bench.append("h")
    await calm()
    account = await bench.account()
    assert (account.end, account.cursor) == (3 * BLOCK_SPAN, 3 * BLOCK_SPAN)
    assert (account.ended_at, account.ended_by) == (bench.clock.now(), "abandoned")
    assert await bench.totals() == ABANDONED
    assert (await bench.ledger.next_due(1), dropped) == (None, ["hook"])
    with pytest.raises(UsageError, match="no destination 'hook'"):
        await engine.abandon("hook")


async def test_a_configured_destination_is_not_abandoned(bench):
    """Nor one that nobody knows; and where the file of its starting offset can't be written, nothing is changed."""

    async def full(_name):
        raise OSError(28, "No space left on device", "destinations.json")

    await opened(bench, ("gone",))
    engine = await run(bench, service(Scripted()), drop_starting_offset=full)
    for name, why in (("hook", "remove its table"), ("nobody", "no destination 'nobody'")):
        with pytest.raises(UsageError, match=why):
            await engine.abandon(name)
    with pytest.raises(StoreUnavailable, match=r"destinations\.json: No space left"):
        await engine.abandon("gone")
    assert [account.end for account in await bench.ledger.accounts()] == [None, None]


async def test_writing_off_goes_on_after_a_crash(bench):
    """A crash halfway leaves nothing owed for ever, and holds nobody up: the next start delivers, and writes off."""
    await removed(bench)
    engine = await run(bench)
    bench.ledger.broken = StoreUnavailable("gone")
    await engine.abandon("hook")
    await calm()
    await bench.kill()
    assert await bench.totals() == HELD
    bench.ledger.broken = None
    other = Scripted()
    await run(bench, Service(plan("other"), lambda: other, from_beginning=True))
    assert len(other.seen) == 7
    assert await bench.totals() == ABANDONED


async def test_writing_off_tries_again(bench):
    """While the ledger can't be written, what was abandoned waits, and is written off once it can."""
    await removed(bench)
    engine = await run(bench)
    bench.ledger.broken = StoreUnavailable("gone")
    await engine.abandon("hook")
    await calm()
    bench.ledger.broken = None
    await bench.pass_time(1)
    assert await bench.totals() == ABANDONED


async def test_a_bug_in_writing_off_stops_nobody(bench):
    """Whatever it raises, deliveries go on, and it is tried again."""
    await removed(bench)
    destination = Scripted()
    engine = await run(bench, service(destination, "other"))
    settle = bench.ledger.settle

    async def fail(account, settlement):
        if account == 1:
            raise ValueError("a bug")
        await settle(account, settlement)

    bench.ledger.settle = fail
    await engine.abandon("hook")
    await bench.append("h")
    await calm()
    assert destination.seen == ["h"]
    bench.ledger.settle = settle
    await bench.pass_time(60)
    assert await bench.totals() == ABANDONED


async def test_writing_off_needs_no_log(bench):
    """An account whose last records retention removed has its cursor at its end all the same."""
    await bench.append("a")
    await bench.ledger.open_account("hook", start=0, at=0)

    async def empty(_start: int, _max_bytes: int):
        return []

    bench.log.read = empty
    await (await run(bench)).abandon("hook")
    await calm()
    account = await bench.account()
    assert (account.end, account.cursor) == (BLOCK_SPAN, BLOCK_SPAN)


@pytest.mark.parametrize("from_beginning", [False, True])
async def test_an_abandoned_destination_that_comes_back_starts_anew(bench, from_beginning):
    """It has a new account, and owes nothing of the old one: an event is counted once, from the beginning too."""
    await removed(bench)
    await (await run(bench)).abandon("hook")
    await calm()
    await bench.stop()
    back = (await opened(bench, ("hook", from_beginning)))["hook"]
    assert (back.number, back.start) == (2, 3 * BLOCK_SPAN)
    await bench.append("h")
    destination = Scripted()
    await run(bench, service(destination))
    assert destination.seen == ["h"]
    assert [await bench.totals(1), await bench.totals(2)] == [ABANDONED, {"DELIVERED": 1}]


async def test_what_is_too_old_expires_where_it_may(bench):
    """A held destination that may not hold back the log loses what is older than retention, replays too, and keeps
    the rest; one that may loses nothing.
    """
    await bench.append("a", "b")
    refusing, expiring = Scripted(otherwise=Retry("busy", 9000)), Scripted(otherwise=Retry("busy", 9000))
    first = await run(bench, service(refusing, "refusing"), service(expiring, "expiring", policy="expire"))
    await bench.append("c")
    await calm()
    await bench.stop()
    replay = await bench.ledger.open_account("expiring", start=0, end=BLOCK_SPAN, at=0, replay="{}")
    await bench.append("d")
    await bench.pass_time(500)
    await bench.append("e")
    await run(bench, retention=300)
    await bench.pass_time(60)
    assert first.states().keys() == {"refusing", "expiring"}
    assert [await bench.totals(number) for number in (1, 2)] == [{"RETRY": 1}, {"EXPIRED": 2}]
    assert await bench.totals(replay.number) == {"EXPIRED": 2}
    assert [await bench.ledger.floor(number) for number in (1, 2)] == [BLOCK_SPAN, 3 * BLOCK_SPAN]
    await bench.pass_time(300)
    assert await bench.totals(2) == {"EXPIRED": 3}


async def test_what_is_kept_when_the_rest_expires(bench):
    """A resent dead letter, whose bytes its row has, and a frozen batch that reaches beyond what is too old."""
    offsets = [*await bench.append("a", "b", "c"), *await bench.append("d")]
    await bench.ledger.open_account("hook", start=0, at=0)
    await bench.ledger.set_policy(1, "expire")
    died = DeadLetter(offsets[0], b"k", b"v", "E", "no", 1, 1, 1)
    await bench.ledger.settle(1, Settlement({offsets[0]: Outcome.DEAD}, {0: 3}, None, (), [died]))
    await bench.ledger.resend(1, [offsets[0]], 5)
    await bench.ledger.freeze_batches(1, [FrozenBatch(offsets[2:], 5, 0, 0, "")])
    await bench.pass_time(500)
    await expire(await bench.account(), BLOCK_SPAN, bench.log, bench.ledger)
    assert await bench.totals() == {"RETRY": 1, "EXPIRED": 1}
    assert (await bench.account()).cursor == offsets[2]
    assert len(await bench.ledger.frozen(1)) == 1
    await expire(await bench.account(), 2 * BLOCK_SPAN, bench.log, bench.ledger)
    assert await bench.totals() == {"RETRY": 1, "EXPIRED": 3}
    assert list(await bench.ledger.frozen(1)) == []


async def test_what_is_served_is_left_to_its_worker(bench):
    """Nothing expires behind a worker's back, whatever is kept of its policy."""
    await bench.append("a")
    await opened(bench, ("hook", True, "expire"))
    await run(bench, service(Scripted({"a": [Retry("busy", 9000)]}), policy="expire"), retention=300)
    await bench.pass_time(1000)
    assert await bench.totals() == {"RETRY": 1}


async def test_a_renamed_destination_goes_on(bench):
    """With `was` the account of the old id is that of the new one: cursor, retries, dead letters and replays."""
    await removed(bench)
    replay = await bench.ledger.open_account("hook", start=0, end=BLOCK_SPAN, at=0, replay='{"events":["Other"]}')
    destination, dropped = Scripted(), []
    await run(bench, service(destination, "crm", was="hook"), drop_starting_offset=noting(dropped))
    await bench.append("h")
    await bench.pass_time(200)
    assert sorted(destination.seen) == ["b", "d", "g", "h"]
    assert await bench.totals() == {"DELIVERED": 7, "DEAD": 1}
    assert {account.destination for account in await bench.ledger.accounts()} == {"crm"}
    assert ((await bench.ledger.account(replay.number)).cursor, dropped) == (BLOCK_SPAN, ["hook"])
    await bench.stop()
    before = list(await bench.ledger.accounts())
    await run(bench, service(destination, "crm", was="hook"))
    assert list(await bench.ledger.accounts()) == before


async def test_what_a_renamed_destination_was_owed_is_delivered_beside(bench):
    """Where the new id has an account already, the old one's ends where that begins, and what is owed below is
    delivered, with its retries, once.
    """
    await removed(bench)
    await opened(bench, ("crm",))
    await bench.append("h")
    destination = Scripted({"d": [Retry("busy", 5)]})
    engine = await run(bench, service(destination, "crm", was="hook"))
    old = await bench.account()
    assert (old.destination, old.end, old.ended_by) == ("crm", 3 * BLOCK_SPAN, "taken over")
    assert engine.replay_states().keys() == {1}
    await bench.stop()
    again = Scripted()
    await run(bench, service(again, "crm", was="hook"))
    await bench.pass_time(200)
    assert sorted(destination.delivered + again.delivered) == ["b", "d", "g", "h"]
    assert [await bench.totals(1), await bench.totals(2)] == [{"DELIVERED": 6, "DEAD": 1}, {"DELIVERED": 1}]
    assert (await bench.account()).ended_at == old.ended_at


async def test_what_was_settled_of_a_renamed_destination_stays_its(bench):
    """Where both had an account at the same time, the old one ends above all that it has begun with."""
    await bench.append("a", "b", "c")
    await bench.start(Scripted({"c": [None]}))
    await bench.kill()
    await bench.ledger.open_account("crm", start=0, at=1)
    await opened(bench, ("crm", False, "refuse", "hook"))
    account = await bench.account()
    assert (account.end, account.ended_by) == (2, "taken over")


async def test_a_renamed_destination_without_an_account(bench):
    """What was owed to the old id before it had an account is owed to the new one, whether that has one or not."""
    await bench.append("a")
    await bench.append("b")
    starting_offsets = {"hook": 0, "crm": BLOCK_SPAN}
    wanted = ("crm", False, "refuse", "hook")
    await opened(bench, wanted, starting_offsets=lambda: starting_offsets)
    assert [(a.destination, a.start, a.end) for a in await bench.ledger.accounts()] == [("crm", 0, None)]
    await opened(bench, wanted, starting_offsets=lambda: starting_offsets)
    assert len(await bench.ledger.accounts()) == 1
    other = Bench()
    await other.append("a")
    await opened(other, ("crm",))
    await opened(other, wanted, starting_offsets=lambda: {"hook": 0})
    assert [(a.destination, a.start, a.end) for a in await other.ledger.accounts()] == [
        ("crm", BLOCK_SPAN, None),
        ("crm", 0, BLOCK_SPAN),
    ]


async def test_an_end_without_a_reason(bench):
    """An end that none of us set is not acted on: nothing is delivered and nothing written off; the audit names it."""
    await bench.append("a")
    await bench.ledger.open_account("hook", start=0, at=0, end=BLOCK_SPAN)
    destination = Scripted()
    await run(bench, service(destination))
    assert (destination.seen, await bench.totals()) == ([], {})
    assert (await bench.ledger.account(2)) == Account(2, "hook", None, BLOCK_SPAN, None, BLOCK_SPAN, bench.clock.now())
