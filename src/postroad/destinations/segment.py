"""The Segment destination: its HTTP tracking API, in batches.

Segment answers 200 to nearly everything: to a wrong write key, to a call without an id of a user, to what it
can't read. 400 means only that a request is too large or no JSON. So what it is known to drop in silence
never goes out: a call with neither `userId` nor `anonymousId` is not taken, an event of more than 32 KiB is
refused. It recognises duplicates by `messageId`, of at most 100 characters: the event's `dedup_key` goes out there, and
one that is longer as the SHA-256 of its UTF-8 in hex. What an answer means is in `calls`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta, Raw

from postroad.contract.email import Kind
from postroad.destinations.base import BatchLimits, EmailEvents, Event, SendResult, Surroundings
from postroad.destinations.email_events import passed_on
from postroad.destinations.http.batches import Part
from postroad.destinations.http.calls import Calls, Residency, Service, address, members_of
from postroad.destinations.http.client import ServiceUrl, basic_auth
from postroad.secret import Secret

HOSTS: Final[Mapping[Residency, str]] = {
    "us": "https://api.segment.io/v1/batch",
    "eu": "https://events.eu1.segmentapis.com/v1/batch",
}
MAX_MESSAGE_ID: Final = 100

_NOBODY: Final = frozenset({b"", b"null", b'""'})


class _Identity(msgspec.Struct):
    userId: Raw = Raw(b"")
    anonymousId: Raw = Raw(b"")


_IDENTITY: Final = msgspec.json.Decoder(_Identity)


class Segment:
    """Sends calls to Segment."""

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Its settings."""

        write_key: Annotated[Secret, Meta(description="The write key of the source in Segment.")]
        residency: Annotated[
            Residency | None,
            Meta(
                description="Where the workspace is; in the wrong place all events are lost without an error.",
                extra={"default": "`eu` in a region of that name, else `us`"},
            ),
        ] = None
        url: Annotated[ServiceUrl | None, Meta(description="Where to POST batches instead, for example a proxy.")] = (
            None
        )

    batch: ClassVar[BatchLimits] = BatchLimits(max_events=500, max_bytes=450_000, linger=0.25)

    # Segment's own name for it is the short one; tools behind it listen to that.
    email_events: ClassVar[EmailEvents] = passed_on("messageId", {Kind.UNSUBSCRIBED: "Unsubscribed"})

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        service = Service(
            "Segment",
            address(settings.url, HOSTS, settings.residency, surroundings.region),
            settings.write_key,
            Secret(basic_auth(settings.write_key.reveal())),
            {},
            max_events=2000,
        )
        self._calls = Calls(service, surroundings, self._written)

    def takes(self, event: Event) -> bool:
        """Tell whether it names a user; Segment has no place for others."""
        identity = _IDENTITY.decode(event.body)
        return bytes(identity.userId) not in _NOBODY or bytes(identity.anonymousId) not in _NOBODY

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """POST the batch."""
        return await self._calls.send(events)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def _written(self, event: Event) -> Part:
        members = members_of(event)
        sent = self.email_events[event.kind] if event.kind is not None else None
        if sent is not None and event.kind is not None and event.name == event.kind.event:
            members["event"] = Raw(msgspec.json.encode(sent.name))
        key = message_id(event.dedup_key)
        if key != event.message_id:
            members["messageId"] = Raw(msgspec.json.encode(key))
        return Part(msgspec.json.encode(members), key)


def message_id(own: str) -> str:
    """Return an event's key as Segment takes it."""
    if len(own) <= MAX_MESSAGE_ID:
        return own
    return hashlib.sha256(own.encode("utf-8", "surrogatepass")).hexdigest()
