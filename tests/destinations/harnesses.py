"""The far sides of the destinations that call a service, for the conformance suite: how each works, fails and heals."""

import asyncio
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from msgspec import Raw

from postroad.clock import ManualClock, iso
from postroad.destinations.base import Destination, Event, Surroundings
from postroad.destinations.console import Console
from postroad.destinations.customerio import Customerio
from postroad.destinations.file import File
from postroad.destinations.http.signed import webhook_id
from postroad.destinations.mixpanel import Mixpanel
from postroad.destinations.mixpanel.event import insert_id
from postroad.destinations.printable import printable
from postroad.destinations.segment import Segment
from postroad.destinations.webhook import Webhook
from postroad.destinations.webhook_batch import WebhookBatch
from postroad.registry import DESTINATIONS, load, settings_of
from postroad.testing.destinations import Arrival
from postroad.testing.events import RECEIVED_AT, every_email_event, plain_track, unusual_events
from postroad.testing.receiver import Receiver, answer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class ConsoleHarness:
    """The far side is a list of lines."""

    type = Console
    secrets: Sequence[str] = ()

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.broken = False
        self.surroundings = Surroundings("d", "us", folder, ManualClock(), 5.0, True, self.write)  # noqa: FBT003

    def write(self, line: str) -> None:
        """Take a line, or fail as a closed terminal does."""
        if self.broken:
            raise BrokenPipeError(32, "Broken pipe")
        self.lines.append(line)

    def raw(self) -> Mapping[str, object]:
        """Return the settings as the configuration has them."""
        return {}

    def settings(self) -> Any:
        """Return the checked settings."""
        name = next(name for name in DESTINATIONS if load(name) is self.type)
        return settings_of(name, self.raw(), "destinations.d")

    async def start(self) -> Destination:
        """Make it."""
        return self.type(self.settings(), self.surroundings)

    async def arrived(self) -> Sequence[Arrival]:
        """Return the id of each line; what is printed of a body is for people."""
        return [Arrival(line.split("  ")[2], None) for line in self.lines]

    async def fail(self) -> None:
        """Close the terminal."""
        self.broken = True

    async def heal(self) -> None:
        """Open it again."""
        self.broken = False

    async def stop(self) -> None:
        """Nothing to let go."""

    def message_id(self, event: Event) -> str:
        """Expect the id as it can be printed."""
        return printable(event.message_id)


class FileHarness(ConsoleHarness):
    """The far side is a file; it fails by a folder in its place."""

    type = File

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.surroundings.folder / "d.ndjson"

    async def arrived(self) -> Sequence[Arrival]:
        """Return the lines of the file."""
        parts = [line.partition(b',"postroad":') for line in self.path.read_bytes().splitlines()]
        return [
            Arrival(json.loads(facts.removesuffix(b"}"))["messageId"], body.removeprefix(b'{"event":'))
            for body, _, facts in parts
        ]

    async def fail(self) -> None:
        """Put a folder where the file was."""
        self.path.mkdir()

    async def heal(self) -> None:
        """Take it away."""
        self.path.rmdir()

    def message_id(self, event: Event) -> str:
        """Expect the id as it is."""
        return event.message_id


class WebhookHarness(ConsoleHarness):
    """The far side is a real HTTP server."""

    type = Webhook
    secrets = (SECRET, "hunter2", "query")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.receiver = Receiver()

    def raw(self) -> Mapping[str, object]:
        """Return settings with a secret in every place."""
        headers = {"Authorization": "Bearer hunter2"}
        return {"url": f"{self.receiver.url}?token=query", "secret": SECRET, "headers": headers}

    async def start(self) -> Destination:
        """Start the server too."""
        await self.receiver.start()
        return await super().start()

    async def arrived(self) -> Sequence[Arrival]:
        """Return the requests."""
        return [Arrival(request.headers["webhook-id"], request.body) for request in self.receiver.requests]

    async def fail(self) -> None:
        """Answer 500 and echo the request."""
        self.receiver.behaviour = answer(500, f"{SECRET} Bearer hunter2 token=query".encode())

    async def heal(self) -> None:
        """Answer 200."""
        self.receiver.behaviour = answer(200)

    async def stop(self) -> None:
        """Stop the server."""
        await self.receiver.stop()

    def message_id(self, event: Event) -> str:
        """Expect the id as a header carries it."""
        return webhook_id(event.dedup_key)


class WebhookBatchHarness(WebhookHarness):
    """The far side gets batches."""

    type = WebhookBatch

    async def arrived(self) -> Sequence[Arrival]:
        """Return the members of all batches."""
        calls = [call for request in self.receiver.requests for call in members(request.body)]
        return [Arrival(json.loads(call)["messageId"], call) for call in calls]

    def message_id(self, event: Event) -> str:
        """Expect the id in the member itself."""
        return event.message_id


class CustomerioHarness(WebhookBatchHarness):
    """The far side is a Pipelines API."""

    type = Customerio
    secrets = ("hunter2", "aHVudGVyMjo=", "query")
    own_ids: ClassVar[Mapping[str, str]] = {
        event.dedup_key: event.message_id for event in (*every_email_event(), plain_track(), *unusual_events())
    }

    def raw(self) -> Mapping[str, object]:
        """Return settings with a secret in every place."""
        return {"url": f"{self.receiver.url}?token=query", "write_key": "hunter2"}

    async def arrived(self) -> Sequence[Arrival]:
        """Return the calls with what another hop has said of them put back."""
        return [Arrival(one.message_id, self.completed(one.body or b"")) for one in await super().arrived()]

    async def fail(self) -> None:
        """Answer 500 and echo the request."""
        self.receiver.behaviour = answer(500, b"Basic aHVudGVyMjo= hunter2 token=query")

    def message_id(self, event: Event) -> str:
        """Expect the key in place of the id."""
        return event.dedup_key

    def completed(self, call: bytes) -> bytes:
        """Put the time of receipt back, and the event's own id."""
        found = msgspec.json.decode(call, type=dict[str, Raw])
        own = self.own_ids[msgspec.json.decode(found["messageId"], type=str)]
        return msgspec.json.encode(found | {"messageId": own, "receivedAt": iso(RECEIVED_AT)})


class SegmentHarness(CustomerioHarness):
    """The far side is Segment."""

    type = Segment

    def completed(self, call: bytes) -> bytes:
        """Put the event's own name back, too."""
        return super().completed(call.replace(b'"event":"Unsubscribed"', b'"event":"Email Unsubscribed"'))


class MixpanelHarness(CustomerioHarness):
    """The far side counts what it imports, as Mixpanel does."""

    type = Mixpanel

    def raw(self) -> Mapping[str, object]:
        """Return settings with a secret in every place."""
        return {"url": f"{self.receiver.url}?token=query", "project_token": "hunter2"}

    async def start(self) -> Destination:
        """Start the server with its own answer."""
        await self.heal()
        return await super().start()

    async def arrived(self) -> Sequence[Arrival]:
        """Return the events; none of them looks like the call it was."""
        events = [event for request in self.receiver.requests for event in json.loads(gzip.decompress(request.body))]
        return [Arrival(event["properties"]["$insert_id"], None) for event in events]

    async def heal(self) -> None:
        """Import everything."""

        async def import_all(writer: asyncio.StreamWriter) -> None:
            events = json.loads(gzip.decompress(self.receiver.requests[-1].body))
            await answer(200, b'{"code":200,"num_records_imported":%d,"status":"OK"}' % len(events))(writer)

        self.receiver.behaviour = import_all

    def message_id(self, event: Event) -> str:
        """Expect the id as Mixpanel takes it."""
        return insert_id(event.dedup_key)


def members(body: bytes) -> Sequence[bytes]:
    """Return the members of a batch, byte for byte."""
    batch: dict[str, Raw] = msgspec.json.decode(body, type=dict[str, Raw])
    return [bytes(member) for member in msgspec.json.decode(batch["batch"], type=list[Raw])]
