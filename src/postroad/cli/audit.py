"""`postroad audit`: whether the books balance, event by event, against the log."""

import asyncio
from collections.abc import Collection, Sequence

import typer

from postroad.cli.options import AsJson, ConfigFile, Region, open_stores, read_config, verb
from postroad.cli.output import progress, say, say_json, table
from postroad.cli.program import NOT_SO
from postroad.clock import SystemClock
from postroad.config import Config
from postroad.operations.audit import Audit, RegionBooks, audit_all
from postroad.operations.audit.books import AccountBooks

_ALWAYS = ("delivered", "retry", "dead")
_SOMETIMES = ("dropped", "evicted", "expired", "erased", "abandoned", "lost")
_FILTERED = "filtered_"


def audit(*, region: Region = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Compare the books of every destination with the log, event by event.

    Every accepted event must be exactly one thing at every destination that was there when it came. Works
    beside a running server. Ends with status 1 when something does not balance.
    """
    used = read_config(config)
    found = asyncio.run(_audit(used, region))
    if as_json:
        say_json(found)
    else:
        for books in found.regions:
            _tell(books, used.destinations_in(books.region))
        say("The books balance." if found.balanced else "THE BOOKS DO NOT BALANCE.")
    if not found.balanced:
        raise typer.Exit(NOT_SO)


async def _audit(config: Config, wanted: str | None) -> Audit:
    async with open_stores(config, wanted, SystemClock()) as regions:
        return await audit_all(regions, lambda name: progress(f"auditing {name}"))


def _tell(books: RegionBooks, configured: Collection[str]) -> None:
    kept = "" if books.kept == books.accepted else f" ({books.kept} of them still in the log)"
    recorded = sum(count.recorded for count in books.rejections.values())
    say(f"region {books.region}: {books.accepted} accepted{kept}, {books.duplicates} duplicates, {recorded} rejected")
    say("")
    there = {name for account in books.accounts for name, count in account.outcomes.items() if count}
    filters = sorted(name for name in there if name.startswith(_FILTERED))
    columns = [*_ALWAYS, *(name for name in _SOMETIMES if name in there), *filters]
    names = [name.replace("_", ": ") for name in columns]
    if books.accounts:
        table(
            ("destination", "owed", "pending", *names, "sum", "balances"),
            [_row(account, columns, configured) for account in books.accounts],
        )
        say("")
    for one in books.lost:
        say(f"{books.region}: {one.events} events of {one.blocks} are lost: the log can't read them any more")
    for problem in books.problems:
        say(f"{books.region}: {problem}")
    for account in books.accounts:
        if account.held:
            say(f"{account.destination}: {account.held}")
        for problem in account.problems:
            say(f"{_name(account, configured)}: {problem}")
        if account.faults > len(account.problems):
            say(f"{_name(account, configured)}: and {account.faults - len(account.problems)} more")


def _row(account: AccountBooks, columns: Sequence[str], configured: Collection[str]) -> tuple[object, ...]:
    counts = [account.outcomes.get(column, 0) for column in columns]
    answer = "yes" if account.balanced else "NO"
    return _name(account, configured), account.owed, account.pending, *counts, account.sum, answer


def _name(account: AccountBooks, configured: Collection[str]) -> str:
    marks = [f"replay {account.account}"] if account.replay is not None else []
    if not account.open and not account.pending and not account.outcomes.get("retry"):
        marks.append("ended")
    elif account.destination not in configured and not account.outcomes.get("abandoned"):
        marks.append("held")
    elif account.held:
        marks.append("held on purpose")
    return f"{account.destination} ({', '.join(marks)})" if marks else account.destination


app = verb(audit)
