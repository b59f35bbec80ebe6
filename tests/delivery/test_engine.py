"""One destination never holds up another, whatever it does."""

import asyncio

from bench import Bench, Scripted, calm, plan

from postroad.delivery.engine import Engine, Service
from postroad.destinations.base import Refused
from postroad.errors import StoreUnavailable

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
