"""`postroad dead`: what was given up, and sending it again or giving it up for good."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from postroad.cli.letters import Meant, first, meant, settle
from postroad.cli.options import LARGEST, AsJson, ConfigFile, group, read_config, read_time_or_none
from postroad.cli.output import NEW_LINE, pretty, progress, say, say_json, table, when
from postroad.cli.statuses import NOT_SO
from postroad.cli.stores import open_stores
from postroad.cli.tries import say_tries
from postroad.clock import SystemClock
from postroad.config import Config
from postroad.errors import UsageError
from postroad.operations.dead import DeadEntry, DeadStory, Narrowed, dead_letters, dead_story, entry_of

_Region = Annotated[str | None, typer.Option(metavar="NAME", help="Only this region.")]
_Place = Annotated[str | None, typer.Option(metavar="ID", help="Only of this destination.")]
_Event = Annotated[str | None, typer.Option(metavar="NAME", help="Only events of this name.")]
_Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only died since: ISO 8601, or 1h for an hour ago.")]
_Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only died before.")]
_Why = Annotated[str | None, typer.Option(metavar="TEXT", help="Only with this text in the reason.")]
_Ids = Annotated[list[str] | None, typer.Option("--message-id", metavar="ID", help="Only this event; may be repeated.")]
_Limit = Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")]
_Words = Annotated[
    list[str], typer.Argument(metavar="[REGION/]DESTINATION OFFSET", help="Where it is, or its messageId.")
]
_Offsets = Annotated[list[int] | None, typer.Argument(metavar="OFFSET", max=LARGEST, help="Their offsets in the list.")]
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
    until: _Until = None,
    why: _Why = None,
    message_id: _Ids = None,
    limit: _Limit = 100,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters by destination and offset, those of held and abandoned ones too."""
    narrowed = Narrowed(destination, event, _time(since), _time(until), why, message_id)
    found = asyncio.run(first(read_config(config), region, narrowed, limit + 1, SystemClock()))
    entries = [entry_of(letter) for letter in found[:limit]]
    if len(found) > limit:
        typer.echo(f"postroad: these are the first {limit}; there are more: give --limit, or narrow the list", err=True)
    if as_json:
        for entry in entries:
            say_json(entry)
        return
    table(
        ("region", "destination", "offset", "died", "event", "messageId", "tries", "why"),
        [(e.region, _owner(e), e.offset, when(e.died_at), e.event, e.message_id, e.tries, e.why) for e in entries],
    )


@app.command("show")
def show(words: _Words, *, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show one dead letter with every try that failed. Ends with status 1 when there is none."""
    found = asyncio.run(_show(read_config(config), words))
    for story in found:
        if as_json:
            say_json(story)
        else:
            _tell(story)
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
    until: _Until = None,
    why: _Why = None,
    message_id: _Ids = None,
    everything: _All = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters again: due at once, with all their tries.

    Needs the running server. Those of destinations that are not configured stay: nobody would send them. Ends with
    status 1 when one of the offsets or message ids is no dead letter.
    """
    narrowed = Narrowed(destination, event, _time(since), _time(until), why, message_id, offsets or None)
    _check_narrow(narrowed, every=everything)
    found = read_config(config)
    letters = asyncio.run(meant(found, region, narrowed, SystemClock()))
    with progress("resend") as tell:
        count = settle(found.server, "resend", letters.served, tell)
    if as_json:
        say_json({"resent": count, "asked": len(letters.served), "of_ended_accounts": len(letters.ended)})
    else:
        say(f"resent {count} dead letters")
        if letters.ended:
            say(f"{len(letters.ended)} stay, or can be dropped: their destinations are held or were abandoned")
    _check_all(narrowed, letters)


@app.command("drop")
def drop(
    offsets: _Offsets = None,
    *,
    region: _Region = None,
    destination: _Place = None,
    event: _Event = None,
    since: _Since = None,
    until: _Until = None,
    why: _Why = None,
    message_id: _Ids = None,
    everything: _All = False,
    yes: _Yes = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give dead letters up for good, after asking; those of held and abandoned destinations too.

    Needs the running server. Ends with status 1 when one of the offsets or message ids is no dead letter.
    """
    narrowed = Narrowed(destination, event, _time(since), _time(until), why, message_id, offsets or None)
    _check_narrow(narrowed, every=everything)
    found = read_config(config)
    letters = asyncio.run(meant(found, region, narrowed, SystemClock()))
    places = [*letters.served, *letters.ended]
    if places and not yes:
        _confirm(len(places))
    with progress("drop") as tell:
        count = settle(found.server, "drop", places, tell)
    if as_json:
        say_json({"dropped": count, "asked": len(places)})
    else:
        say(f"dropped {count} dead letters")
    _check_all(narrowed, letters)


def _check_narrow(narrowed: Narrowed, *, every: bool) -> None:
    """Refuse what would mean everything by accident, or two things at once."""
    if every and narrowed.offsets is not None:
        raise UsageError("give offsets or --all, not both")
    if narrowed.offsets is not None and narrowed.destination is None:
        raise UsageError("offsets are those of one destination: say which with --destination")
    if narrowed == Narrowed() and not every:
        raise UsageError(
            "say which: --destination, --event, --since, --until, --why, --message-id or offsets; or --all"
        )


def _check_all(narrowed: Narrowed, letters: Meant) -> None:
    """End with status 1 when something that was named is no dead letter."""
    if letters.missing:
        what = "offsets" if narrowed.offsets is not None else "message ids"
        whose = narrowed.destination or "any destination"
        typer.echo(f"postroad: not dead letters of {whose}: {letters.missing} of the {what}", err=True)
        raise typer.Exit(NOT_SO)


def _time(text: str | None) -> int | None:
    return read_time_or_none(text, SystemClock())


async def _show(config: Config, words: Sequence[str]) -> Sequence[DeadStory]:
    region, narrowed = _named(words)
    configured = {name: config.destinations_in(name) for name in config.regions}
    async with open_stores(config, region, SystemClock()) as opened:
        ledgers = {stores.name: stores.ledger for stores in opened}
        return [
            await dead_story(found, ledgers[found.region])
            async for found in dead_letters(ledgers, narrowed, configured)
        ]


def _named(words: Sequence[str]) -> tuple[str | None, Narrowed]:
    match words:
        case [message_id]:
            return None, Narrowed(message_ids=[message_id])
        case [place, offset] if offset.isdecimal():
            region, _, destination = place.rpartition("/")
            return region or None, Narrowed(destination, offsets=[int(offset)])
        case _:
            raise UsageError("name a dead letter by its MESSAGE_ID, or by [REGION/]DESTINATION and OFFSET")


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise UsageError("dropping can't be undone: say --yes where nobody can be asked")
    typer.confirm(f"Give {count} dead letters up for good?", abort=True, err=True)


def _owner(letter: DeadEntry) -> str:
    marks = [f"replay {letter.account}"] if letter.replay else []
    if not letter.served:
        marks.append("held or abandoned")
    return f"{letter.destination} ({', '.join(marks)})" if marks else letter.destination


def _tell(story: DeadStory) -> None:
    letter = story.letter
    say(f"{letter.event}  {letter.message_id}")
    say(f"  region       {letter.region}")
    say(f"  destination  {_owner(letter)}")
    say(f"  offset       {letter.offset}")
    say(f"  source       {letter.source}")
    say(f"  first try    {when(letter.first_at)}")
    say(f"  given up     {when(letter.died_at)}, tries: {letter.tries}")
    say(f"  why          {letter.why.partition(NEW_LINE)[0]}")
    say_tries(story.failed)
    say("")
    for line in pretty(bytes(story.body)).splitlines():
        say(f"  {line}")
    say("")
