"""The Customer.io destination: its Pipelines API, in batches and in strict mode.

Without `X-Strict-Mode: 1` Customer.io answers 200 to events that it throws away. In strict mode it refuses
a batch with one bad event as a whole; the engine then finds the bad one. It recognises duplicates by
`messageId`: the event's `dedup_key` goes out there. All six kinds of calls are taken; what an answer means is in
`calls`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta, Raw

from postroad.destinations.base import BatchLimits, EmailEvents, Event, SendResult, Surroundings
from postroad.destinations.email_events import passed_on
from postroad.destinations.http.batches import Part
from postroad.destinations.http.calls import Calls, Residency, Service, address, members_of
from postroad.destinations.http.client import ServiceUrl, basic_auth
from postroad.secret import Secret

HOSTS: Final[Mapping[Residency, str]] = {
    "us": "https://cdp.customer.io/v1/batch",
    "eu": "https://cdp-eu.customer.io/v1/batch",
}

# The newer keys say where they belong, and the official clients send them as a bearer token.
_TELLING_KEY: Final = re.compile(r"(?:pk|sk)_(us|eu)_")


class Customerio:
    """Sends calls to Customer.io."""

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Its settings."""

        write_key: Annotated[Secret, Meta(description="The API key of the source in Customer.io.")]
        residency: Annotated[
            Residency | None,
            Meta(
                description="Where the account is.",
                extra={"default": "what the key says, else `eu` in a region of that name, else `us`"},
            ),
        ] = None
        url: Annotated[ServiceUrl | None, Meta(description="Where to POST batches instead, for example a proxy.")] = (
            None
        )

    batch: ClassVar[BatchLimits] = BatchLimits(max_events=250, max_bytes=450_000, linger=0.25)

    email_events: ClassVar[EmailEvents] = passed_on("messageId")

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        key = settings.write_key.reveal()
        telling = _TELLING_KEY.match(key)
        own: Residency | None = None if telling is None else "eu" if telling[1] == "eu" else "us"
        service = Service(
            "Customer.io",
            address(settings.url, HOSTS, settings.residency or own, surroundings.region),
            settings.write_key,
            Secret(f"Bearer {key}" if telling else basic_auth(key)),
            {"X-Strict-Mode": "1"},
            max_events=1000,
        )
        self._calls = Calls(service, surroundings, _write)

    def takes(self, event: Event) -> bool:  # noqa: ARG002 -- the port's signature
        """Every call can be expressed."""
        return True

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """POST the batch."""
        return await self._calls.send(events)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()


def _write(event: Event) -> Part:
    members = members_of(event)
    if event.dedup_key != event.message_id:
        members["messageId"] = Raw(msgspec.json.encode(event.dedup_key))
    return Part(msgspec.json.encode(members), event.dedup_key)
