"""A bucket of S3-compatible storage. obstore finds the access key and signs; our own client sends.

obstore could send too, but reads the whole body of an answer that refuses, however long it is.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, quote

from postroad.destinations.base import Pause, SendResult, Surroundings
from postroad.destinations.http.answer import ServiceAnswer
from postroad.destinations.http.client import MAX_EXCERPT, Client, Url
from postroad.destinations.parquet.answer import outcome_of_put
from postroad.destinations.printable import printable
from postroad.secret import MASK

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

_EXPIRY: Final = timedelta(minutes=15)
"""How long a signature holds: as far as S3 lets our clock and its own be apart."""

_SECRET: Final = ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-Security-Token")
"""What of a signed address must not show."""

_BRIEF: Final = 55


class Bucket:
    """A bucket, with `prefix` in front of every key. `options` are obstore's.

    The address is the operator's own, so a private one is called too.
    """

    def __init__(self, bucket: str, prefix: str, options: "S3Config", surroundings: Surroundings) -> None:
        self.name = f"s3://{bucket}"
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._options = options
        self._clock = surroundings.clock
        self._timeout = timedelta(seconds=surroundings.timeout)
        self._client = Client(surroundings._replace(allow_private=True))
        self._hidden = [text for text in (options.get("access_key_id"), options.get("secret_access_key")) if text]
        self._store: S3Store | None = None

    async def put(self, path: str, data: bytes) -> SendResult:
        """Put an object."""
        from obstore.exceptions import BaseError  # noqa: PLC0415 -- only those with a bucket need it

        try:
            url = await self._sign(self._prefix + path)
        except (BaseError, OSError, ValueError) as error:
            # Never a retry: it is not the events' fault, and a probe finds out when it is over.
            return self._unsigned(str(error))
        answer = await self._client.put(url, data, {})
        if not isinstance(answer, ServiceAnswer):
            return answer
        said = self._showable(unescape(answer.body.decode("utf-8", "replace")), _secrets_of(url))
        return outcome_of_put(self.name, answer._replace(excerpt=said), self._clock.now())

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _sign(self, key: str) -> Url:
        """Return the address to put an object to; obstore may ask the machine or the cloud for the access key."""
        import obstore  # noqa: PLC0415 -- only those with a bucket need it

        # It reads files: the environment's settings, trusted certificates.
        if self._store is None:
            self._store = await asyncio.to_thread(self._open)
        return Url(await obstore.sign_async(self._store, "PUT", key, _EXPIRY), encoded=True)

    def _open(self) -> "S3Store":
        from obstore.store import S3Store  # noqa: PLC0415 -- only those with a bucket need it

        return S3Store(
            self._bucket,
            config=self._options,
            client_options={"timeout": self._timeout, "connect_timeout": self._timeout},
            # The delivery engine does that, and says so.
            retry_config={"max_retries": 0, "retry_timeout": self._timeout},
        )

    def _unsigned(self, error: str) -> Pause:
        said = self._showable(error.partition("\n\nDebug source:")[0].removeprefix("Generic S3 error: "))
        why = f"nothing can be signed for {self.name} ({said[:_BRIEF]}): check s3_access_key_id, or the machine's key"
        return Pause(why, 0, said)

    def _showable(self, text: str, secrets: Sequence[str] = ()) -> str:
        for secret in sorted([*self._hidden, *secrets], key=len, reverse=True):  # one may contain another
            text = text.replace(secret, MASK)
        return printable(text[:MAX_EXCERPT])[:MAX_EXCERPT]


def _secrets_of(url: Url) -> Sequence[str]:
    """Return what must not show of a signed address, in both spellings: a storage may repeat what it was sent."""
    query = parse_qs(url.parsed.raw_query_string)
    found = [value for name in _SECRET for value in query.get(name, [])]
    found += [credential.partition("/")[0] for credential in query.get("X-Amz-Credential", [])]
    return [*found, *(quote(value, safe="") for value in found)]
