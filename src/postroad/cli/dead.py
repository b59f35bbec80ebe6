"""`postroad dead`: what was given up, and sending it again or giving it up for good."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from postroad.cli.letters import Found, Narrowed, matching, settle
from postroad.cli.options import AsJson, ConfigFile, group, read_config, read_time
from postroad.cli.output import pretty, progress, say, say_json, table, when
from postroad.cli.statuses import NOT_SO
from postroad.cli.stores import open_stores
from postroad.clock import SystemClock
from postroad.config import Config
from postroad.contract.stored import read_key, unpack
from postroad.errors import UsageError
from postroad.ledger.base import Attempt
from postroad.registry import near_miss

_Region = Annotated[str | None, typer.Option(metavar="NAME", help="Only this region.")]
_Place = Annotated[str | None, typer.Option(metavar="ID", help="Only of this destination.")]
_Event = Annotated[str | None, typer.Option(metavar="NAME", help="Only events of this name.")]
_Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only died after: ISO 8601, or 1h for an hour ago.")]
_Limit = Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")]
_Words = Annotated[list[str], typer.Argument(metavar="DESTINATION OFFSET", help="Where it is, or its messageId.")]
_Offsets = Annotated[list[int] | None, typer.Argument(metavar="OFFSET", help="Their offsets in the list.")]
_All = Annotated[bool, typer.Option("--all", help="All of them.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

app = group("List, show, resend or drop dead letters.")


@app.command("list")
def list_(
    *,
    region: _Region = None,
    destination: _Place = None,
    event: _Event = None,
    since: _Since = None,
    limit: _Limit = 100,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters by destination and offset."""
    found = asyncio.run(_list(read_config(config), region, Narrowed(destination, event, _time(since)), limit))
    if as_json:
        for entry in found:
            say_json(_plain(entry))
        return
    table(
        ("region", "destination", "offset", "died", "event", "tries", "why"),
        [
            (*entry.owner, letter.offset, when(letter.died_at), letter.label, letter.tries, letter.why)
            for entry in found
            for letter in [entry.letter]
        ],
    )


@app.command("show")
def show(words: _Words, *, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show one dead letter with every try that failed."""
    found = asyncio.run(_show(read_config(config), words))
    for entry, attempts in found:
        if as_json:
            say_json({**_plain(entry), **_more(entry, attempts)})
        else:
            _tell(entry, attempts)
    if not found:
        typer.echo(f"postroad: there is no dead letter {' '.join(words)}", err=True)
        raise typer.Exit(NOT_SO)


@app.command("resend")
def resend(
    offsets: _Offsets = None,
    *,
    region: _Region = None,
    destination: _Place = None,
    event: _Event = None,
    since: _Since = None,
    everything: _All = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters again: due at once, with all their tries.

    Needs the running server. Ends with status 1 when one of the offsets is no dead letter.
    """
    narrowed = _narrowed(Narrowed(destination, event, _time(since), offsets or None), every=everything)
    found = read_config(config)
    letters, others = asyncio.run(_meant(found, region, narrowed))
    _settle(found, "resend", "resent", letters, others, as_json=as_json)
    _check_all(narrowed, len(letters))


@app.command("drop")
def drop(
    offsets: _Offsets = None,
    *,
    region: _Region = None,
    destination: _Place = None,
    event: _Event = None,
    since: _Since = None,
    everything: _All = False,
    yes: _Yes = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give dead letters up for good, after asking.

    Needs the running server. Ends with status 1 when one of the offsets is no dead letter.
    """
    narrowed = _narrowed(Narrowed(destination, event, _time(since), offsets or None), every=everything)
    found = read_config(config)
    letters, others = asyncio.run(_meant(found, region, narrowed))
    if letters and not yes:
        _confirm(len(letters))
    _settle(found, "drop", "dropped", letters, others, as_json=as_json)
    _check_all(narrowed, len(letters))


def _check_all(narrowed: Narrowed, count: int) -> None:
    missing = len(set(narrowed.offsets or ())) - count
    if missing > 0:
        typer.echo(f"postroad: {missing} of the offsets are no dead letters of {narrowed.destination}", err=True)
        raise typer.Exit(NOT_SO)


def _time(since: str | None) -> int | None:
    return None if since is None else read_time(since, SystemClock())


def _narrowed(narrowed: Narrowed, *, every: bool) -> Narrowed:
    """Refuse what would mean everything by accident, or two things at once."""
    if every and narrowed.offsets is not None:
        raise UsageError("give offsets or --all, not both")
    if narrowed.offsets is not None and narrowed.destination is None:
        raise UsageError("offsets are those of one destination: say which with --destination")
    if narrowed == Narrowed() and not every:
        raise UsageError("say which: --destination, --event, --since or offsets; or --all")
    return narrowed


async def _list(config: Config, region: str | None, narrowed: Narrowed, limit: int) -> Sequence[Found]:
    found: list[Found] = []
    async with open_stores(config, region, SystemClock()) as opened:
        async for entry in matching(opened, narrowed):
            found.append(entry)
            if len(found) == limit:
                break
    return found


async def _show(config: Config, words: Sequence[str]) -> Sequence[tuple[Found, Sequence[Attempt]]]:
    found: list[tuple[Found, Sequence[Attempt]]] = []
    async with open_stores(config, None, SystemClock()) as opened:
        ledgers = {stores.region: stores.ledger for stores in opened}
        async for entry in matching(opened, _named(words)):
            if len(words) > 1 or read_key(entry.letter.key)[1] == words[0]:
                attempts = await ledgers[entry.region].attempts(entry.account.number, entry.letter.offset)
                found.append((entry, attempts))
    return found


def _named(words: Sequence[str]) -> Narrowed:
    match words:
        case [_]:
            return Narrowed()
        case [destination, offset] if offset.isdecimal():
            return Narrowed(destination, offsets=[int(offset)])
        case _:
            raise UsageError("name a dead letter by its MESSAGE_ID, or by DESTINATION and OFFSET")


_Letters = list[tuple[tuple[str, str], int]]


async def _meant(config: Config, region: str | None, narrowed: Narrowed) -> tuple[_Letters, int]:
    """Return the dead letters of open accounts that are meant, and how many of ended ones would be."""
    letters: _Letters = []
    others = 0
    async with open_stores(config, region, SystemClock()) as opened:
        names = {account.destination for stores in opened for account in await stores.ledger.accounts()}
        if narrowed.destination is not None and narrowed.destination not in names:
            miss = near_miss(narrowed.destination, names)
            raise UsageError(f"there is no destination {narrowed.destination!r} in the books{miss}")
        async for entry in matching(opened, narrowed):
            if entry.account.end is None and entry.account.replay is None:
                letters.append((entry.owner, entry.letter.offset))
            else:
                others += 1
    return letters, others


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise UsageError("dropping can't be undone: say --yes where nobody can be asked")
    typer.confirm(f"Give {count} dead letters up for good?", abort=True, err=True)


def _settle(config: Config, verb: str, done: str, letters: _Letters, others: int, *, as_json: bool) -> None:
    with progress(verb) as tell:
        count = settle(config.server, verb, letters, tell)
    if as_json:
        say_json({done: count, "asked": len(letters), "of_ended_accounts": others})
        return
    say(f"{done} {count} dead letters")
    if others:
        say(f"{others} belong to destinations that are no longer configured: they stay where they are")


def _plain(entry: Found) -> dict[str, Any]:
    source, message_id = read_key(entry.letter.key)
    return {
        "region": entry.region,
        "destination": entry.account.destination,
        "replay": entry.account.replay,
        "offset": entry.letter.offset,
        "source": source,
        "message_id": message_id,
        "event": entry.letter.label,
        "died_at": entry.letter.died_at,
        "first_at": entry.letter.first_at,
        "tries": entry.letter.tries,
        "why": entry.letter.why,
    }


def _more(entry: Found, attempts: Sequence[Attempt]) -> dict[str, Any]:
    failed = [{"at": a.at, "status": a.status, "why": a.why, "answer": a.answer} for a in attempts]
    return {"failed": failed, "body": msgspec.Raw(unpack(entry.letter.value).body)}


def _tell(entry: Found, attempts: Sequence[Attempt]) -> None:
    letter = entry.letter
    source, message_id = read_key(letter.key)
    say(f"{letter.label}  {message_id}")
    say(f"  region       {entry.region}")
    say(f"  destination  {entry.account.destination}")
    say(f"  offset       {letter.offset}")
    say(f"  source       {source}")
    say(f"  first try    {when(letter.first_at)}")
    say(f"  given up     {when(letter.died_at)} after {letter.tries} tries")
    say(f"  why          {letter.why}")
    for tried in attempts:
        say(f"  {when(tried.at)} {tried.status or ''} {tried.why}")
        if tried.answer:
            say(f"    {tried.answer}")
    say("")
    for line in pretty(unpack(letter.value).body).splitlines():
        say(f"  {line}")
    say("")
