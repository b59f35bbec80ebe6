"""What the webhook destinations share: POSTs signed by the Standard Webhooks scheme.

Three headers go with every body: `webhook-id` (the same at every try: the receiver's key for recognising
duplicates), `webhook-timestamp`, the seconds since 1970 of this try, and `webhook-signature`, one `v1,…` for each
secret. Verify with any Standard Webhooks library.
"""

import hashlib
import re
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta
from standardwebhooks import Webhook as Signer

from postroad.clock import MICROSECONDS
from postroad.config.problems import dotted
from postroad.destinations.base import SendResult, Surroundings
from postroad.destinations.http.answer import ServiceAnswer, outcome_of
from postroad.destinations.http.client import Client, Url
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


class SignedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to post, and what goes with it."""

    url: Annotated[Url, Meta(description="Where to POST; https unless it is your own network.")]
    secret: Annotated[
        SigningKeys,
        Meta(description="Signs every request (`whsec_…`); a list while you change it. Unsigned when absent."),
    ] = SigningKeys()
    headers: Annotated[dict[str, Secret], Meta(description="Sent with every request, for example Authorization.")] = {}

    def __post_init__(self) -> None:
        """Refuse headers that can't be sent or that belong to the request itself."""
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name) or not value.reveal().isprintable():
                raise ValueError(f"{dotted(('headers', name))}: can't be sent as an HTTP header")
            if name.lower() in _OURS:
                raise ValueError(f"{dotted(('headers', name))}: is set by Postroad itself")
            if name.lower() == "authorization" and self.url.has_credentials:
                raise ValueError(f"{dotted(('headers', name))}: can't go with the credentials in `url`; leave out one")


class SignedClient:
    """Posts bodies to one address. Made inside a running event loop."""

    def __init__(self, settings: SignedSettings, surroundings: Surroundings) -> None:
        self._url = settings.url
        self._clock = surroundings.clock
        self._signers = [Signer(key.reveal()) for key in settings.secret]
        self._headers = {"Content-Type": "application/json"}
        self._headers |= {name: value.reveal() for name, value in settings.headers.items()}
        hidden = [text for secret in (*settings.secret, *settings.headers.values()) for text in _forms(secret.reveal())]
        self._client = Client(surroundings, secrets=[*settings.url.secrets, *hidden])

    async def post(self, identifier: str, body: bytes) -> SendResult:
        """POST a body once, and say what came of it."""
        answer = await self._client.post(self._url, body, self._headers | self._signed(identifier, body))
        return outcome_of(answer, self._clock.now()) if isinstance(answer, ServiceAnswer) else answer

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._client.close()

    def _signed(self, identifier: str, body: bytes) -> dict[str, str]:
        seconds = self._clock.now() // MICROSECONDS
        headers = {"webhook-id": identifier, "webhook-timestamp": str(seconds)}
        if self._signers:
            moment, text = datetime.fromtimestamp(seconds, UTC), body.decode()
            headers["webhook-signature"] = " ".join(signer.sign(identifier, moment, text) for signer in self._signers)
        return headers


def _forms(secret: str) -> Sequence[str]:
    """Return the forms in which a service may echo a secret: whole, without `whsec_`, without a scheme before it."""
    return [secret, secret.removeprefix("whsec_"), secret.rpartition(" ")[2]]


def webhook_id(dedup_key: str) -> str:
    """Return an event's key as a header can carry it.

    That is the key itself if it is 1 to 255 visible ASCII characters, else the SHA-256 of its UTF-8 in hex.
    """
    if _HEADER_SAFE.fullmatch(dedup_key):
        return dedup_key
    return hashlib.sha256(dedup_key.encode("utf-8", "surrogatepass")).hexdigest()
