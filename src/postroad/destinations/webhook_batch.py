"""The webhook_batch destination: POSTs many events at once to an address of yours, `{"batch": [event, …]}`.

Its headers are those of `postroad.destinations.http.signed`. `webhook-id` is a digest of the members' keys; a batch
that fails may be sent again in other batches, so receivers recognise its members by their `messageId`. They are as they
came: where a public source is delivered, its sender may have chosen another source's id, and `webhook` is the one to
use.

A refused batch may be the fault of one member: it is sent again in halves until that one is alone.
"""

import hashlib
from collections.abc import Sequence
from typing import ClassVar

from postroad.destinations.base import BatchLimits, EmailEvents, Event, SendResult, Surroundings
from postroad.destinations.email_events import passed_on
from postroad.destinations.http.batches import isolating
from postroad.destinations.http.signed import SignedClient, SignedSettings, webhook_id


class WebhookBatch:
    """POSTs events together."""

    Settings = SignedSettings
    batch: ClassVar[BatchLimits] = BatchLimits(max_events=100, max_bytes=1 << 20, linger=0)
    email_events: ClassVar[EmailEvents] = passed_on("messageId")

    def __init__(self, settings: SignedSettings, surroundings: Surroundings) -> None:
        self._client = SignedClient(settings, surroundings)

    def takes(self, event: Event) -> bool:  # noqa: ARG002 -- the port's signature
        """Every event can be posted."""
        return True

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """POST all of them together; one answer counts for all."""
        if not events:
            return []
        body = b'{"batch":[%b]}' % b",".join(event.body for event in events)
        outcome = await self._client.post(batch_id(events), body)
        return [isolating(outcome, len(events))] * len(events)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def batch_id(events: Sequence[Event]) -> str:
    """Return the id of a batch: the SHA-256, in hex, of its members' ids with a line break after each."""
    ids = "".join(f"{webhook_id(event.dedup_key)}\n" for event in events)
    return hashlib.sha256(ids.encode()).hexdigest()
