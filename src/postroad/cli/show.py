"""`postroad show`: one event, from what came to what became of it at each destination."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from postroad.cli.options import AsJson, ConfigFile, open_stores, read_config, verb
from postroad.cli.output import say, say_body, say_json, say_tries, when
from postroad.cli.program import NOT_SO
from postroad.clock import SystemClock
from postroad.config import Config
from postroad.operations.story import Delivery, Story, StoryQuery, stories

_MessageId = Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="The event's messageId.")]
_Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="ID", help="Look also for events of this source, which is not configured."),
]


def show(
    message_id: _MessageId, *, source: _Sources = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Show one event: what came, what became of it at each destination, and every try that failed.

    Looks in all regions, at the events of all configured sources. Ends with status 1 when there is none.
    """
    asked = StoryQuery(message_id=message_id, source=source or ())
    found = asyncio.run(_find(read_config(config), asked))
    for story in found:
        if as_json:
            say_json(story)
        else:
            _tell(story)
    if not found:
        typer.echo(f"postroad: there is no event with the messageId {message_id!r}", err=True)
        raise typer.Exit(NOT_SO)


async def _find(config: Config, asked: StoryQuery) -> Sequence[Story]:
    async with open_stores(config, None, SystemClock()) as regions:
        return await stories(regions, config.sources_in, asked)


def _tell(story: Story) -> None:
    say(f"{story.event or story.type}  {story.message_id}")
    say(f"  region    {story.region}")
    say(f"  source    {story.source}")
    say(f"  received  {when(story.received_at)}")
    say(f"  offset    {story.offset}")
    say(f"  call      {story.type}")
    if story.kind:
        say(f"  kind      {story.kind}")
    for violation in story.violations:
        say(f"  violation {violation}")
    say_body(bytes(story.body))
    say("")
    if not story.deliveries:
        say("No destination was there when it came.")
    for delivery in story.deliveries:
        _tell_delivery(delivery)


def _tell_delivery(delivery: Delivery) -> None:
    replay = f" (replay {delivery.account})" if delivery.replay is not None else ""
    tries = f", tries so far: {delivery.tries}" if delivery.tries else ""
    due = "" if delivery.due_at is None else f", next at {when(delivery.due_at)} or as soon as it may be sent to"
    batch = f", in one frozen batch with {delivery.batch - 1} others" if delivery.batch else ""
    say(f"{delivery.destination}{replay}: {delivery.meaning}{batch}{tries}{due}")
    say_tries(delivery.failed)
    if delivery.why and delivery.why not in {tried.why for tried in delivery.failed}:
        say(f"  why it waits: {delivery.why}")


app = verb(show)
