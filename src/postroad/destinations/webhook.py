"""The webhook destination: POSTs events to an address of yours, signed by the Standard Webhooks scheme.

The body is one event as it is, or with `body = "batch"` as many as share a send: `{"batch": [event, …]}`.
Three headers go with it: `webhook-id` is the event's message id (the same at every try: the receiver's key
for recognising duplicates), `webhook-timestamp` the seconds since 1970 of this try, `webhook-signature` one
`v1,…` for each secret. Verify with any Standard Webhooks library.

Of a batch `webhook-id` is a digest of its members' ids. A batch that fails may be sent again in other
batches, so receivers recognise its members by their `messageId`. 400, 409, 413 and 422 may be the fault of
one member: the batch is then sent again in halves until that one is alone.
"""

import hashlib
import re
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final, Literal

import msgspec
from msgspec import Meta
from standardwebhooks import Webhook as Signer

from postroad.clock import MICROSECONDS
from postroad.destinations.answer import Answer, outcome_of
from postroad.destinations.base import BatchLimits, Event, Outcome, Refused, Surroundings
from postroad.destinations.batches import ABOUT_EVENTS, isolating
from postroad.destinations.email_events import EmailEvents, has_place, passed_on
from postroad.destinations.http import Client, Url
from postroad.secret import Secret, Secrets

_HEADER_SAFE: Final = re.compile(r"[!-~]{1,255}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS: Final = frozenset(
    {"connection", "content-length", "content-type", "host", "transfer-encoding"}
    | {"webhook-id", "webhook-signature", "webhook-timestamp"}
)


class SigningKey(Secret):
    """A Standard Webhooks secret: `whsec_` and 24 to 64 bytes in base64."""

    __slots__ = ()

    def __init__(self, value: str) -> None:
        """Raises `ValueError` when it has another form."""
        super().__init__(value)
        try:
            key = b64decode(value.removeprefix("whsec_"), validate=True)
        except ValueError:
            key = b""
        if not 24 <= len(key) <= 64:  # noqa: PLR2004 -- the class's docstring
            raise ValueError("must be whsec_ and the base64 of 24 to 64 bytes; `openssl rand -base64 32` makes one")


class SigningKeys(Secrets):
    """One signing key, or several while it is changed."""

    __slots__ = ()

    item: ClassVar[type[Secret]] = SigningKey


class Webhook:
    """POSTs events."""

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Its settings."""

        url: Annotated[Url, Meta(description="Where to POST; https unless it is your own network.")]
        secret: Annotated[
            SigningKeys,
            Meta(description="Signs every request (`whsec_…`); a list while you change it. Unsigned when absent."),
        ] = SigningKeys()
        body: Annotated[
            Literal["event", "batch"],
            Meta(description='One event a request, or `{"batch": [event, …]}` with up to `batch.max_events`.'),
        ] = "event"
        headers: Annotated[
            dict[str, Secret], Meta(description="Sent with every request, for example Authorization.")
        ] = {}

        def __post_init__(self) -> None:
            """Refuse headers that can't be sent or that belong to the request itself."""
            for name, value in self.headers.items():
                if not _HEADER_NAME.fullmatch(name) or not value.reveal().isprintable():
                    raise ValueError(f"headers.{name!r}: can't be sent as an HTTP header")
                if name.lower() in _OURS:
                    raise ValueError(f"headers.{name}: is set by Postroad itself")

    batch: ClassVar[BatchLimits] = BatchLimits(max_events=1, max_bytes=1 << 20, linger=0)

    email_events: ClassVar[EmailEvents] = passed_on("webhook-id; messageId in a batch")

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        self._url = settings.url
        self._body = settings.body
        self._clock = surroundings.clock
        self._signers = [Signer(key.reveal()) for key in settings.secret]
        self._headers = {"Content-Type": "application/json"}
        self._headers |= {name: value.reveal() for name, value in settings.headers.items()}
        hidden = [secret.reveal() for secret in (*settings.secret, *settings.headers.values())]
        self._client = Client(surroundings, secrets=[*settings.url.secrets, *hidden])

    def takes(self, event: Event) -> bool:
        """Every event can be posted."""
        return has_place(self.email_events, event)

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        """POST each event, one after the other, or all of them together."""
        if not events:
            return []
        if self._body == "event":
            return [await self._post(webhook_id(event.message_id), event.body) for event in events]
        body = b'{"batch":[%b]}' % b",".join(event.body for event in events)
        outcome = await self._post(batch_id(events), body)
        if isinstance(outcome, Refused) and outcome.status in ABOUT_EVENTS:
            outcome = isolating(outcome, len(events))
        return [outcome] * len(events)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _post(self, identifier: str, body: bytes) -> Outcome:
        answer = await self._client.post(self._url, body, self._headers | self._signed(identifier, body))
        return outcome_of(answer, self._clock.now()) if isinstance(answer, Answer) else answer

    def _signed(self, identifier: str, body: bytes) -> dict[str, str]:
        seconds = self._clock.now() // MICROSECONDS
        headers = {"webhook-id": identifier, "webhook-timestamp": str(seconds)}
        if self._signers:
            moment, text = datetime.fromtimestamp(seconds, UTC), body.decode()
            headers["webhook-signature"] = " ".join(signer.sign(identifier, moment, text) for signer in self._signers)
        return headers


def webhook_id(message_id: str) -> str:
    """Return the message id as a header can carry it.

    That is the id itself if it is 1 to 255 visible ASCII characters, else the SHA-256 of its UTF-8 in hex.
    """
    if _HEADER_SAFE.fullmatch(message_id):
        return message_id
    return hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()


def batch_id(events: Sequence[Event]) -> str:
    """Return the id of a batch: the SHA-256, in hex, of its members' ids with a line break after each."""
    ids = "".join(f"{webhook_id(event.message_id)}\n" for event in events)
    return hashlib.sha256(ids.encode()).hexdigest()
