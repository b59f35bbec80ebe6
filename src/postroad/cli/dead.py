"""`postroad dead`: what was given up, and sending it again or giving it up for good."""

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from postroad.cli.client import ask_each
from postroad.cli.options import AsJson, ConfigFile, Yes, flags, group, open_stores, read_config
from postroad.cli.output import NEW_LINE, confirm, progress, say, say_body, say_json, say_list, say_tries, when
from postroad.cli.program import NOT_SO
from postroad.clock import SystemClock
from postroad.config import Config, Server
from postroad.config.problems import did_you_mean
from postroad.errors import UsageError
from postroad.operations.asking import LARGEST, Regions
from postroad.operations.dead import DeadEntry, DeadFilter, DeadPlace, DeadStory, dead_letters, show_dead

_Limit = Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")]
_Words = Annotated[
    list[str], typer.Argument(metavar="[REGION/]DESTINATION OFFSET", help="Where it is, or its messageId.")
]
_Offsets = Annotated[list[int] | None, typer.Argument(metavar="OFFSET", max=LARGEST, help="Their offsets in the list.")]
_All = Annotated[bool, typer.Option("--all", help="All of them.")]

CHUNK: Final = 1000
"""Dead letters that one request asks for."""

_COLUMNS: Final = ("region", "destination", "offset", "died", "event", "messageId", "tries", "why")

app = group("List, show, resend or drop dead letters.")


@app.command("list")
@flags
def list_(*, asked: DeadFilter, limit: _Limit = 100, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List dead letters by destination and offset, those of held and abandoned ones too."""
    found = asyncio.run(_find(read_config(config), asked, most=limit + 1))
    if len(found) > limit:
        typer.echo(f"postroad: these are the first {limit}; there are more: give --limit, or narrow the list", err=True)
    say_list(found[:limit], _COLUMNS, _row, as_json=as_json)


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
@flags
def resend(
    offsets: _Offsets = None,
    *,
    asked: DeadFilter,
    everything: _All = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters again: due at once, with all their tries.

    Needs the running server. Those of destinations that are not configured stay: nobody would send them. Ends with
    status 1 when one of the offsets or message ids is no dead letter.
    """
    server, found = _chosen(config, asked, offsets, every=everything)
    served = [entry for entry in found if entry.served]
    count, stay = _change(server, "resend", "resent", served), len(found) - len(served)
    if as_json:
        say_json({"resent": count, "asked": len(served), "of_ended_accounts": stay})
    else:
        say(f"resent {count} dead letters")
        if stay:
            say(f"{stay} stay, or can be dropped: their destinations are held or were abandoned")
    _check_all(asked, offsets, found)


@app.command("drop")
@flags
def drop(
    offsets: _Offsets = None,
    *,
    asked: DeadFilter,
    everything: _All = False,
    yes: Yes = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give dead letters up for good, after asking; those of held and abandoned destinations too.

    Needs the running server. Ends with status 1 when one of the offsets or message ids is no dead letter.
    """
    server, found = _chosen(config, asked, offsets, every=everything)
    if found and not yes:
        confirm("dropping", f"Give {len(found)} dead letters up for good?")
    count = _change(server, "drop", "dropped", found)
    if as_json:
        say_json({"dropped": count, "asked": len(found)})
    else:
        say(f"dropped {count} dead letters")
    _check_all(asked, offsets, found)


def _chosen(
    file: Path | None, asked: DeadFilter, offsets: Sequence[int] | None, *, every: bool
) -> tuple[Server, Sequence[DeadEntry]]:
    """Return the dead letters that are meant, and who changes them. Refuses what would mean everything by accident, or
    two things at once.
    """
    if every and offsets:
        raise UsageError("give offsets or --all, not both")
    if offsets and asked.destination is None:
        raise UsageError("offsets are those of one destination: say which with --destination")
    if not (offsets or every) and asked == DeadFilter(region=asked.region):
        raise UsageError(
            "say which: --destination, --event, --since, --until, --why, --message-id or offsets; or --all"
        )
    config = read_config(file)
    return config.server, asyncio.run(_find(config, asked, offsets))


def _check_all(asked: DeadFilter, offsets: Sequence[int] | None, found: Sequence[DeadEntry]) -> None:
    """End with status 1 when something that was named is no dead letter."""
    if offsets:
        what, missing = "offsets", len(set(offsets) - {entry.offset for entry in found})
    else:
        what, missing = "message ids", len((asked.message_ids or set()) - {entry.message_id for entry in found})
    if missing:
        whose = asked.destination or "any destination"
        typer.echo(f"postroad: not dead letters of {whose}: {missing} of the {what}", err=True)
        raise typer.Exit(NOT_SO)


async def _find(
    config: Config, asked: DeadFilter, offsets: Sequence[int] | None = None, most: int = LARGEST
) -> list[DeadEntry]:
    """Return the first dead letters that are meant. Raises `UsageError` when the books know no such destination."""
    found: list[DeadEntry] = []
    async with open_stores(config, asked.region, SystemClock()) as regions:
        await _check_known(regions, asked.destination)
        async for entry in dead_letters(regions, asked, offsets=offsets or None):
            found.append(entry)
            if len(found) == most:
                break
    return found


async def _check_known(regions: Regions, destination: str | None) -> None:
    names = {account.destination for region in regions.values() for account in await region.ledger.accounts()}
    if destination is not None and destination not in names:
        raise UsageError(f"there is no destination {destination!r} in the books{did_you_mean(destination, names)}")


async def _show(config: Config, words: Sequence[str]) -> Sequence[DeadStory]:
    region, asked, offsets = _named(words)
    async with open_stores(config, region, SystemClock()) as regions:
        return [
            await show_dead(regions, DeadPlace(region=one.region, account=one.account, offset=one.offset))
            async for one in dead_letters(regions, asked, offsets=offsets)
        ]


def _named(words: Sequence[str]) -> tuple[str | None, DeadFilter, Sequence[int] | None]:
    match words:
        case [message_id]:
            return None, DeadFilter(message_id=message_id), None
        case [place, offset] if offset.isdecimal() and int(offset) <= LARGEST:
            region, _, destination = place.rpartition("/")
            return region or None, DeadFilter(destination=destination), [int(offset)]
        case _:
            raise UsageError("name a dead letter by its MESSAGE_ID, or by [REGION/]DESTINATION and OFFSET")


def _change(server: Server, verb: str, done: str, entries: Sequence[DeadEntry]) -> int:
    """Ask the server to resend or drop these; returns how many were still dead letters."""
    groups = [
        ({"region": region, "account": account}, "offsets", [entry.offset for entry in those])
        for (region, account), those in itertools.groupby(entries, key=lambda entry: (entry.region, entry.account))
    ]
    with progress(verb) as tell:
        return sum(told[done] for _, told in ask_each(server, f"/api/dead/{verb}", groups, tell, CHUNK))


def _owner(letter: DeadEntry) -> str:
    marks = [f"replay {letter.account}"] if letter.replay else []
    if not letter.served:
        marks.append("held or abandoned")
    return f"{letter.destination} ({', '.join(marks)})" if marks else letter.destination


def _row(entry: DeadEntry) -> Sequence[object]:
    e = entry
    return e.region, _owner(e), e.offset, when(e.died_at), e.event, e.message_id, e.tries, e.why


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
    say_body(bytes(story.body))
    say("")
