"""What every destination must do, as tests that a plugin's author runs too.

    class TestPager(DestinationConformance):
        @pytest.fixture(autouse=True)
        def bring(self, tmp_path):
            self.harness = PagerHarness(tmp_path)

pytest-asyncio in auto mode runs the tests; nothing here imports pytest.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Destination, DestinationType, Event, Refused, SendResult
from postroad.destinations.email_events import without_place
from postroad.testing.events import every_email_event, plain_track, unusual_events


class Arrival(NamedTuple):
    """One event as the far side got it. `body` is None where the service gets something else than the body;
    `message_id` is what the destination sends as the key by which duplicates are recognised.
    """

    message_id: str
    body: bytes | None


class Harness(Protocol):
    """What is needed to test one type of destination: the destination and the far side it talks to."""

    type: DestinationType
    secrets: Sequence[str]
    """The secret texts in its settings."""

    def settings(self) -> msgspec.Struct:
        """Return the settings that `start` uses."""
        ...

    async def start(self) -> Destination:
        """Make a destination whose far side works. Called once, inside the running loop."""
        ...

    async def arrived(self) -> Sequence[Arrival]:
        """Return what the far side got, in order."""
        ...

    async def fail(self) -> None:
        """Let the far side fail from now on, for a reason that passes, whatever is sent."""
        ...

    async def heal(self) -> None:
        """Let it work again."""
        ...

    async def stop(self) -> None:
        """Let the far side go."""
        ...

    def message_id(self, event: Event) -> str:
        """Return the key by which the far side should know this event."""
        ...


class DestinationConformance:
    """The tests. A subclass sets `harness` before each of them."""

    harness: Harness

    async def test_delivers_each_email_event_it_takes(self) -> None:
        """Of the email events, each that is taken arrives once, in order, under its own key."""
        await self._delivers(every_email_event())

    async def test_delivers_a_plain_call(self) -> None:
        """A call that is no email event arrives, if it is taken."""
        await self._delivers([plain_track()])

    async def test_changes_nothing_unusual(self) -> None:
        """Big numbers, any text, line breaks between members and odd ids arrive as they are."""
        await self._delivers(unusual_events())

    async def test_answers_an_empty_batch(self) -> None:
        """No events, no outcomes, no error."""
        destination = await self.harness.start()
        assert list(await destination.send([])) == []
        await self._end(destination)

    async def test_delivers_the_same_event_again(self) -> None:
        """An event may be sent again at any time: delivery is at least once."""
        destination = await self.harness.start()
        events = self._taken(destination, every_email_event())[:1]
        assert await destination.send(events) == await destination.send(events) == [Delivered()]
        await self._end(destination)

    async def test_blames_no_event_for_a_failing_far_side(self) -> None:
        """While the far side fails there is an outcome for each event: none is delivered and none given up."""
        destination = await self.harness.start()
        events = self._taken(destination, every_email_event())
        await self.harness.fail()
        outcomes = await destination.send(events)
        assert len(outcomes) == len(events)
        assert not any(isinstance(outcome, Delivered | Refused) for outcome in outcomes)
        await self._end(destination)

    async def test_works_again_after_a_failure(self) -> None:
        """Once the far side is back, the same destination delivers, and nothing is left half done."""
        destination = await self.harness.start()
        events = self._taken(destination, every_email_event())
        await self.harness.fail()
        await destination.send(events)
        await self.harness.heal()
        await self._check(destination, events)
        await self._end(destination)

    async def test_works_again_after_a_send_is_cancelled(self) -> None:
        """A send that was cut off (a time-out, a shutdown) breaks nothing for the next."""
        destination = await self.harness.start()
        events = self._taken(destination, every_email_event())
        cut_off = asyncio.ensure_future(destination.send(events))
        await asyncio.sleep(0)
        cut_off.cancel()
        await asyncio.gather(cut_off, return_exceptions=True)
        assert await destination.send(events) == [Delivered()] * len(events)
        await self._end(destination)

    async def test_closes_twice(self) -> None:
        """Closing again does nothing."""
        destination = await self.harness.start()
        await destination.close()
        await self._end(destination)

    async def test_shows_no_secret(self) -> None:
        """Secrets are neither in the settings as they print nor in what it says of a failure."""
        destination = await self.harness.start()
        await self.harness.fail()
        outcomes = await destination.send(self._taken(destination, every_email_event()))
        shown = f"{self.harness.settings()!r} {destination!r} {outcomes!r}"
        assert [secret for secret in self.harness.secrets if secret in shown] == []
        await self._end(destination)

    async def test_declares_its_settings(self) -> None:
        """Each setting has a sentence, unknown ones are refused, and settings can't change."""
        struct = self.harness.type.Settings
        assert [field.name for field in msgspec.structs.fields(struct) if not _sentence(field.type)] == []
        assert struct.__struct_config__.forbid_unknown_fields
        assert struct.__struct_config__.frozen

    async def test_states_what_becomes_of_each_email_event(self) -> None:
        """The table has an entry for each email event, and every one that it has a place for is taken."""
        table = self.harness.type.email_events
        unsaid = ", ".join(kind.event for kind in Kind if kind not in table)
        assert not unsaid, f"email_events says nothing of {unsaid}: add what goes out, or None for what has no place"
        destination = await self.harness.start()
        refused = {event.kind for event in every_email_event() if not destination.takes(event)}
        assert refused <= without_place(table)
        await self._end(destination)

    async def _delivers(self, events: Sequence[Event]) -> None:
        destination = await self.harness.start()
        await self._check(destination, self._taken(destination, events))
        await self._end(destination)

    async def _check(self, destination: Destination, events: Sequence[Event]) -> None:
        outcomes: Sequence[SendResult] = await destination.send(events)
        assert list(outcomes) == [Delivered()] * len(events)
        arrived = (await self.harness.arrived())[-len(events) :] if events else []
        assert [one.message_id for one in arrived] == [self.harness.message_id(event) for event in events]
        for one, event in zip(arrived, events, strict=True):
            assert one.body is None or _exactly(one.body) == _exactly(event.body)

    async def _end(self, destination: Destination) -> None:
        await destination.close()
        await self.harness.stop()

    def _taken(self, destination: Destination, events: Sequence[Event]) -> Sequence[Event]:
        left_out = without_place(self.harness.type.email_events)
        return [event for event in events if event.kind not in left_out and destination.takes(event)]


def _exactly(body: bytes) -> Any:
    """Decode JSON with numbers as they are written: a float would hide a changed digit."""
    return json.loads(body, parse_int=str, parse_float=str)


def _sentence(kind: Any) -> str:
    notes = getattr(kind, "__metadata__", ())
    return next((note.description for note in notes if isinstance(note, msgspec.Meta) and note.description), "")
