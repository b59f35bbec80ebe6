"""The console prints one safe line an event."""

import errno
from collections.abc import Callable

from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Retry, Surroundings
from postroad.destinations.console import Console
from postroad.testing.events import email_event, every_email_event, unusual_events


def make(surroundings: Surroundings, write: Callable[[str], None], prefix: str = "") -> Console:
    """Make a console that writes with `write`."""
    return Console(Console.Settings(prefix=prefix), surroundings._replace(write=write))


async def test_a_line_tells_what_came(surroundings: Surroundings) -> None:
    """A line has the time of receipt, region, source, name, message id and the event."""
    lines: list[str] = []
    event = email_event(Kind.BOUNCED)
    assert await make(surroundings, lines.append, "> ").send([event]) == [Delivered()]
    assert lines == [f"> 2024-01-15T10:30:05.000Z us/app  Email Bounced  msg-0001  {event.body.decode()}"]


async def test_every_event_is_one_printable_line(surroundings: Surroundings) -> None:
    """No event can break a line, clear the screen or colour the text."""
    lines: list[str] = []
    events = [*every_email_event(), *unusual_events()]
    hostile = events[0]._replace(message_id="\x1b[2J", body='{"a":"\x9b31m\u202e"}'.encode())
    await make(surroundings, lines.append).send([*events, hostile])
    assert len(lines) == len(events) + 1
    assert all(line.isprintable() for line in lines)
    assert "\\x1b[2J" in lines[-1]


async def test_a_line_that_cannot_be_printed_is_tried_again(surroundings: Surroundings) -> None:
    """A broken pipe is a retry, not an exception."""

    def broken(_: str) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    outcomes = await make(surroundings, broken).send([email_event(Kind.OPENED)])
    assert outcomes == [Retry("the line could not be printed: Broken pipe")]
