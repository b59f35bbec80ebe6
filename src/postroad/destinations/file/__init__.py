"""The file destination: appends each event to a file as one line of JSON (NDJSON).

A line is `{"event": …, "postroad": …}`: the event as it is, and our own facts about it (`Facts`). Events
count as delivered after fsync; a batch shares one. When a write fails, what was written of it is cut off
again, and what is no whole line (a power cut leaves such) is cut when a file is opened, so every line is whole.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta

from postroad.clock import iso
from postroad.destinations.base import (
    BatchLimits,
    Delivered,
    EmailEvents,
    Event,
    Pause,
    Retry,
    SendResult,
    Surroundings,
)
from postroad.destinations.email_events import passed_on
from postroad.destinations.file.line_file import LineFile

SCHEMA: Final = 1
"""The version of `Facts`: a higher one only ever has more members."""

_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")
# What no amount of waiting cures.
_LASTING: Final = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What we know of an event beyond its body. `kind` is the semantic event it is, aliases included."""

    region: str
    source: str
    offset: int
    receivedAt: str
    messageId: str
    kind: str | None
    violations: Sequence[str]
    schema: int = SCHEMA


class File:
    """Appends events to a file of its own."""

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Its settings."""

        path: Annotated[str, Meta(description="The file; by default `<id>.ndjson` in the region's data folder.")] = ""
        rotate_bytes: Annotated[
            int, Meta(ge=1, description="A file is put aside, with the time in its name, before it outgrows this.")
        ] = 256 * 1024 * 1024
        keep: Annotated[int, Meta(ge=0, description="How many files put aside to keep, the newest; 0 keeps all.")] = 0

    batch: ClassVar[BatchLimits] = BatchLimits(max_events=1000, max_bytes=4 << 20, linger=0)
    email_events: ClassVar[EmailEvents] = passed_on("messageId")

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        self._path = Path(settings.path) if settings.path else surroundings.folder / f"{surroundings.id}.ndjson"
        self._file = LineFile(
            self._path, rotate_bytes=settings.rotate_bytes, keep=settings.keep, clock=surroundings.clock
        )
        # One thread of its own: a disk that hangs holds up nobody else, and writes keep their order.
        self._thread = ThreadPoolExecutor(1, f"file-{surroundings.id}")

    def takes(self, event: Event) -> bool:  # noqa: ARG002 -- the port's signature
        """Every event can be written."""
        return True

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """Append the batch and fsync: all of it, or nothing."""
        if not events:
            return []
        outcome = await asyncio.get_running_loop().run_in_executor(self._thread, self._append, events)
        return [outcome] * len(events)

    async def close(self) -> None:
        """Finish what is being written and close the file. Safe to call twice."""
        await asyncio.to_thread(self._thread.shutdown)
        self._file.close()

    def _append(self, events: Sequence[Event]) -> SendResult:
        try:
            self._file.append(b"".join(line(event) for event in events))
        except OSError as error:
            why = f"{self._path} could not be written: {error.strerror or error}"
            return Pause(why) if isinstance(error, _LASTING) else Retry(why)
        return Delivered()


def line(event: Event) -> bytes:
    """Return the line of one event, its newline included.

    The body goes in byte for byte but for line breaks between its members, which become spaces (inside
    strings JSON has none).
    """
    facts = Facts(
        region=event.region,
        source=event.source,
        offset=event.offset,
        receivedAt=iso(event.received_at),
        messageId=event.message_id,
        kind=event.kind.event if event.kind is not None else None,
        violations=event.violations,
    )
    body = event.body.translate(_ONE_LINE)
    return b'{"event":%b,"postroad":%b}\n' % (body, msgspec.json.encode(facts))
