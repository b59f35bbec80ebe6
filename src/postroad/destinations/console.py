"""The console destination: prints one line an event. It is the example to copy.

A destination is one class in one file, and one line in `postroad.registry`. Five parts make it:

1. `Settings`: what the operator writes under `[destinations.<id>]` beside the settings that every
   destination has. Each field has its type, a sentence, and a default if it may be left out.
2. `batch` and `email_events`: what suits the service, and what it makes of the six email events.
3. `takes`: whether the service has a place for this event at all.
4. `send`: try once, and say for each event what came of it. Never retry, wait or raise here.
5. `close`: let go of what was opened.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from postroad.clock import iso
from postroad.destinations.base import BatchLimits, Delivered, EmailEvents, Event, Retry, SendResult, Surroundings
from postroad.destinations.email_events import passed_on
from postroad.destinations.printable import printable


class Console:
    """Prints events where the server prints."""

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Its settings."""

        prefix: Annotated[str, Meta(description="Written in front of every line.")] = ""

    batch: ClassVar[BatchLimits] = BatchLimits(max_events=1, max_bytes=1 << 20, linger=0)
    email_events: ClassVar[EmailEvents] = passed_on("messageId")

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        self._prefix = settings.prefix
        self._write = surroundings.write

    def takes(self, event: Event) -> bool:  # noqa: ARG002 -- the port's signature
        """Every event can be printed."""
        return True

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """Print a line for each: when it came, from where, what it is, its id, and the event itself."""
        return [self._print(event) for event in events]

    async def close(self) -> None:
        """Nothing was opened."""

    def _print(self, event: Event) -> SendResult:
        came = f"{iso(event.received_at)} {event.region}/{event.source}"
        line = f"{came}  {event.name or event.type}  {event.message_id}  {event.body.decode('utf-8', 'replace')}"
        try:
            self._write(self._prefix + printable(line))
        except OSError as error:
            return Retry(f"the line could not be printed: {error.strerror}")
        return Delivered()
