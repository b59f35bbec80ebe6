"""Every built-in destination does what every destination must do."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from postroad.clock import ManualClock
from postroad.destinations.base import Destination, Event, Surroundings
from postroad.destinations.console import Console
from postroad.destinations.file import File
from postroad.destinations.printable import printable
from postroad.destinations.webhook import Webhook, webhook_id
from postroad.registry import DESTINATIONS, load, settings_of
from postroad.testing.destinations import Arrival, DestinationConformance
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
        return webhook_id(event.message_id)


class TestConsole(DestinationConformance):
    """The console."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        self.harness = ConsoleHarness(tmp_path)


class TestFile(DestinationConformance):
    """The file."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        self.harness = FileHarness(tmp_path)


class TestWebhook(DestinationConformance):
    """The webhook."""

    @pytest.fixture(autouse=True)
    def bring(self, tmp_path: Path) -> None:
        """Bring the harness."""
        self.harness = WebhookHarness(tmp_path)


def test_every_built_in_is_tested() -> None:
    """A new line in the registry's table needs a harness here."""
    tested = {ConsoleHarness.type, FileHarness.type, WebhookHarness.type}
    assert {load(name) for name in DESTINATIONS} == tested
