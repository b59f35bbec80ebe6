"""One destination never holds up another, whatever it does; accounts follow the configuration."""

import asyncio

import pytest
from bench import Bench, Scripted, calm, plan

from postroad.delivery.accounts import open_accounts
from postroad.delivery.engine import Engine, Service
from postroad.destinations.base import Refused, Retry
from postroad.errors import StoreUnavailable
from postroad.log.base import BLOCK_SPAN

IDS = [f"m{number}" for number in range(30)]


async def run(bench: Bench, **makers):
    """Run an engine whose destinations start at the beginning of the log."""
    services = [Service(plan(name, concurrency=2), make, from_beginning=True) for name, make in makers.items()]
    engine = Engine(services, bench.log, bench.ledger, bench.clock)
    bench.task = asyncio.create_task(engine.run())
    await calm()
    return engine


async def test_no_destination_holds_up_another(bench):
    """One hangs, one raises, one refuses, one can't even be made: the good one gets everything."""
    await bench.append(*IDS)
    hangs, raises = Scripted(otherwise=asyncio.Event()), Scripted(otherwise=RuntimeError("bug"))
    refuses, good = Scripted(otherwise=Refused("HTTP 400")), Scripted()

    def fail():
        raise RuntimeError("bug")

    await run(
        bench,
        hangs=lambda: hangs,
        raises=lambda: raises,
        refuses=lambda: refuses,
        unmade=fail,
        good=lambda: good,
    )
    await bench.append("last")
    await calm()
    assert sorted(good.delivered) == sorted([*IDS, "last"])
    numbers = {account.destination: account.number for account in await bench.ledger.accounts()}
    assert await bench.totals(numbers["hangs"]) == {}
    assert await bench.totals(numbers["raises"]) == {"RETRY": 6}  # then the breaker was open
    assert await bench.totals(numbers["refuses"]) == {"DEAD": 31}
    hangs.otherwise.set()
    await calm()


async def test_a_failed_loop_is_started_again(bench):
    """After a bug a destination is made anew and goes on from what the ledger has; the first is closed."""
    made = []

    def make():
        made.append(Scripted())
        return made[-1]

    bench.ledger.broken = ValueError("a bug")
    engine = await run(bench, hook=make)
    assert engine.states() == {"hook": "running"}
    await bench.append("a")
    await calm()
    assert [destination.closed for destination in made] == [1]
    assert engine.states() == {"hook": "failed: ValueError"}
    bench.ledger.broken = None
    await bench.pass_time(1)
    assert [destination.delivered for destination in made] == [["a"], ["a"]]
    assert await bench.totals(1) == {"DELIVERED": 1}


async def test_a_restart_waits_for_the_ledger(bench, monkeypatch):
    """A loop that is started again while the ledger can't be read is started once it can."""
    destination = Scripted()
    bench.ledger.broken = ValueError("a bug")
    await run(bench, hook=lambda: destination, other=Scripted)
    accounts = bench.ledger.accounts

    async def unreadable():
        raise StoreUnavailable("gone")

    monkeypatch.setattr(bench.ledger, "accounts", unreadable)
    await bench.append("a")
    await calm()
    await bench.pass_time(1)
    assert not bench.task.done()
    monkeypatch.setattr(bench.ledger, "accounts", accounts)
    bench.ledger.broken, destination.closed = None, 0
    await bench.pass_time(1)
    assert await bench.totals(1) == {"DELIVERED": 1}


async def test_a_start_waits_for_the_ledger(bench, monkeypatch):
    """An engine that starts while accounts can't be opened opens them once they can."""
    accounts = bench.ledger.accounts

    async def unreadable():
        raise StoreUnavailable("gone")

    monkeypatch.setattr(bench.ledger, "accounts", unreadable)
    await bench.append("a")
    destination = Scripted()
    engine = await run(bench, hook=lambda: destination)
    assert engine.states() == {"hook": "waiting: gone"}
    monkeypatch.setattr(bench.ledger, "accounts", accounts)
    await bench.pass_time(1)
    assert destination.delivered == ["a"]
    assert engine.states() == {"hook": "running"}


async def test_the_engine_pokes_and_ends_in_order(bench):
    """A poke reaches the destination's loop and no other; at the end every destination is closed."""
    (offset,) = await bench.append("a")
    hook, other = Scripted({"a": [Refused("HTTP 400")]}), Scripted()
    engine = await run(bench, hook=lambda: hook, other=lambda: other)
    await bench.pass_time(10)
    await bench.ledger.resend(1, [offset], bench.clock.now())
    engine.poke("other")
    engine.poke("nobody")
    await calm()
    assert hook.seen == ["a"]
    engine.poke("hook")
    await calm()
    assert hook.delivered == ["a"]
    await bench.stop()
    assert (hook.closed, other.closed) == (1, 1)


async def test_where_a_new_account_starts(bench):
    """A new destination gets what comes from now on, or everything that is kept, as it is configured."""
    await bench.append("a")
    wanted = [("new", False), ("all", True)]
    found = await open_accounts(wanted, bench.log, bench.ledger, bench.clock)
    assert {name: account.start for name, account in found.items()} == {"new": BLOCK_SPAN, "all": 0}
    again = await open_accounts(wanted, bench.log, bench.ledger, bench.clock)
    assert again == found


async def test_where_an_announced_account_starts(bench):
    """A destination that was configured before is owed what came since, but never what is not there yet."""
    await bench.append("a")
    await bench.append("b")
    await bench.append("c")
    announced = {"early": BLOCK_SPAN, "beyond": 9 * BLOCK_SPAN}
    wanted = [("early", False), ("beyond", False), ("unheard", False)]
    found = await open_accounts(wanted, bench.log, bench.ledger, bench.clock, lambda: announced)
    starts = {name: account.start for name, account in found.items()}
    assert starts == {"early": BLOCK_SPAN, "beyond": 3 * BLOCK_SPAN, "unheard": 3 * BLOCK_SPAN}


async def removed(bench: Bench) -> None:
    """Leave an account with a delivery, a retry, a dead letter, one settled beyond the cursor and two unread."""
    await bench.append("a", "b", "c", "d", "e")
    await bench.append("f")
    await bench.start(Scripted({"b": [Retry("busy", 100)], "c": [Refused("HTTP 400")], "d": [None]}))
    await bench.kill()
    await bench.append("g")


ABANDONED = {"DELIVERED": 3, "DEAD": 1, "ABANDONED": 3}


async def test_a_removed_destination_is_written_off(bench):
    """What was owed to it, unread and in retry, is abandoned, the account ended, and the books balance."""
    await removed(bench)
    assert await open_accounts([], bench.log, bench.ledger, bench.clock) == {}
    account = await bench.account()
    assert (account.end, account.cursor) == (3 * BLOCK_SPAN, 3 * BLOCK_SPAN)
    assert await bench.totals() == ABANDONED
    assert await bench.ledger.next_due(1) is None


async def test_writing_off_survives_a_crash(bench):
    """A crash halfway through leaves nothing owed for ever: the next start ends what this one began."""
    await removed(bench)
    bench.ledger.broken = StoreUnavailable("gone")
    with pytest.raises(StoreUnavailable):
        await open_accounts([], bench.log, bench.ledger, bench.clock)
    bench.ledger.broken = None
    await open_accounts([], bench.log, bench.ledger, bench.clock)
    assert await bench.totals() == ABANDONED
    assert (await bench.account()).end == 3 * BLOCK_SPAN


async def test_a_destination_that_comes_back_starts_anew(bench):
    """A destination that was removed and returns has a new account and owes nothing of the old one."""
    await removed(bench)
    await open_accounts([], bench.log, bench.ledger, bench.clock)
    back = (await open_accounts([("hook", False)], bench.log, bench.ledger, bench.clock))["hook"]
    assert (back.number, back.start) == (2, 3 * BLOCK_SPAN)
    bench.number = back.number
    await bench.append("h")
    destination = Scripted()
    await bench.start(destination)
    assert destination.seen == ["h"]
    assert await bench.totals() == {"DELIVERED": 1}


async def test_a_destination_that_comes_back_claims_nothing_twice(bench):
    """One that comes back from the beginning begins where its last account ended: an event is counted once."""
    await removed(bench)
    await open_accounts([], bench.log, bench.ledger, bench.clock)
    await bench.append("h")
    back = (await open_accounts([("hook", True)], bench.log, bench.ledger, bench.clock))["hook"]
    assert (back.number, back.start) == (2, 3 * BLOCK_SPAN)
    destination = Scripted()
    bench.number = back.number
    await bench.start(destination)
    assert destination.seen == ["h"]
    counted = [sum((await bench.totals(number)).values()) for number in (1, 2)]
    assert counted == [7, 1]


async def test_writing_off_needs_no_log(bench):
    """An account whose last records retention removed is ended with its cursor at its end all the same."""
    await bench.append("a")
    await bench.ledger.open_account("hook", start=0, at=0)

    async def empty(_start: int, _max_bytes: int):
        return []

    bench.log.read = empty
    await open_accounts([], bench.log, bench.ledger, bench.clock)
    account = await bench.account()
    assert (account.end, account.cursor) == (BLOCK_SPAN, BLOCK_SPAN)
