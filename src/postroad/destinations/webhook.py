"""The webhook destination: POSTs each event to an address of yours, signed by the Standard Webhooks scheme.

The body is the event as it is, `webhook-id` its `dedup_key`. `postroad.destinations.http.signed` has the other headers.
"""

from collections.abc import Sequence
from typing import ClassVar

from postroad.destinations.base import BatchLimits, EmailEvents, Event, SendResult, Surroundings
from postroad.destinations.email_events import passed_on
from postroad.destinations.http.signed import SignedClient, SignedSettings, webhook_id


class Webhook:
    """POSTs events one at a time."""

    Settings = SignedSettings
    batch: ClassVar[BatchLimits] = BatchLimits(max_events=1, max_bytes=1 << 20, linger=0)
    email_events: ClassVar[EmailEvents] = passed_on("webhook-id")

    def __init__(self, settings: SignedSettings, surroundings: Surroundings) -> None:
        self._client = SignedClient(settings, surroundings)

    def takes(self, event: Event) -> bool:  # noqa: ARG002 -- the port's signature
        """Every event can be posted."""
        return True

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """POST each event, one after the other."""
        return [await self._client.post(webhook_id(event.dedup_key), event.body) for event in events]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
