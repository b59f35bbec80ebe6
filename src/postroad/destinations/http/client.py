"""What the HTTP destinations share: one careful POST or PUT.

Only public addresses unless `allow_private` (see `guard`), no redirects, no cookies, no proxy from the
environment, no compressed answers; everything is over after `timeout` seconds, and of an answer at most
64 KiB are read, however long it is. What an answer means is in `answer`.
"""

import os
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from postroad import __version__
from postroad.destinations.base import Pause, Retry, Surroundings
from postroad.destinations.http.answer import ServiceAnswer
from postroad.destinations.http.guard import METADATA, PrivateAddress, open_private_socket, open_socket
from postroad.destinations.printable import printable
from postroad.secret import MASK, Secret

MAX_ANSWER: Final = 64 * 1024
MAX_EXCERPT: Final = 1024

_TELLING: Final = 8  # characters from which on a part of a URL may be a secret: `v1` and `hooks` are none

_USER_AGENT: Final = f"Postroad/{__version__}"
# The forms of an IPv4 address that only old C libraries read: 2130706433, 0x7f.1, 127.1.
_NUMBERS: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)
_DOTTED: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")


class Url(Secret):
    """An http or https address. It shows its origin only: path, query and user name may hold secrets.

    `encoded` is for one that goes out as it is written, because a signature in it covers how it is written.
    """

    __slots__ = ("parsed",)

    def __init__(self, value: str, *, encoded: bool = False) -> None:
        """Raises `ValueError` when it is not an address that can be called."""
        super().__init__(value)
        try:
            self.parsed = URL(value, encoded=encoded)
            origin = self.parsed.origin()
        except ValueError:
            raise ValueError("must be an address like https://example.com/path") from None
        host = origin.host or ""
        if origin.scheme not in {"http", "https"}:
            raise ValueError("must start with https:// or http://")
        if not host or (_NUMBERS.fullmatch(host) and not _DOTTED.fullmatch(host)):
            raise ValueError("has no host, or an IP address in an unusual notation")

    @property
    def has_credentials(self) -> bool:
        """Whether it has a name or a password, which go out as an Authorization header."""
        return self.parsed.raw_user is not None or self.parsed.raw_password is not None

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return self.parsed.host_port_subcomponent or ""

    @property
    def secrets(self) -> Sequence[str]:
        """The texts in it that must not show, the longest first: password, credentials as they are sent, query and
        path, and what of these a service may echo by itself: long values and long parts.
        """
        name, password = self.parsed.user, self.parsed.password
        sent = aiohttp.encode_basic_auth(name or "", password or "") if name or password else ""
        parts = [*self.parsed.query.values(), *self.parsed.parts]
        whole = [password or "", sent, self.parsed.raw_query_string, self.parsed.raw_path.strip("/")]
        return sorted({*filter(None, whole), *(part for part in parts if len(part) >= _TELLING)}, key=len, reverse=True)

    def __repr__(self) -> str:
        origin = str(self.parsed.origin())
        return origin if self.parsed == self.parsed.origin() else f"{origin}/{MASK}"


class ServiceUrl(Url):
    """An address of a service that gets a key of its own in the Authorization header: it has no credentials beside."""

    __slots__ = ()

    def __init__(self, value: str) -> None:
        """Raises `ValueError` when it is not an address that can be called so."""
        super().__init__(value)
        if self.has_credentials:
            raise ValueError("can't have a name and a password: the service's own key is sent in their place")


def basic_auth(user: str, password: str = "") -> str:
    """Return the value of an Authorization header; what is in it counts as a secret."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


class Client:
    """Sends bodies to one service. Made inside a running event loop.

    `secrets` are the texts that must not show in an excerpt even if the service echoes them.
    """

    def __init__(
        self, surroundings: Surroundings, *, secrets: Sequence[str] = (), resolver: AbstractResolver | None = None
    ) -> None:
        self._timeout = surroundings.timeout
        self._secrets = [secret for secret in secrets if secret]
        connector = aiohttp.TCPConnector(
            resolver=resolver or aiohttp.ThreadedResolver(),
            socket_factory=open_private_socket if surroundings.allow_private else open_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=surroundings.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": _USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
            auto_decompress=False,
            skip_auto_headers=("Content-Type",),
            trust_env=False,
        )

    async def post(self, url: Url, body: bytes, headers: Mapping[str, str]) -> ServiceAnswer | Retry | Pause:
        """Send one request; an outcome instead of an answer says why there is none."""
        return await self._send("POST", url, body, headers)

    async def put(self, url: Url, body: bytes, headers: Mapping[str, str]) -> ServiceAnswer | Retry | Pause:
        """Like `post`, but PUT."""
        return await self._send("PUT", url, body, headers)

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._session.close()

    def showable(self, text: str) -> str:
        """Return words of the service as they may be shown: one line of at most 1 KiB without our secrets."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return printable(text[:MAX_EXCERPT])[:MAX_EXCERPT]

    async def _send(
        self, method: str, url: Url, body: bytes, headers: Mapping[str, str]
    ) -> ServiceAnswer | Retry | Pause:
        request = self._session.request(method, url.parsed, data=body, headers=headers, allow_redirects=False)
        try:
            async with request as response:
                read = await _read(response)
                return ServiceAnswer(
                    response.status, response.headers, read, self.showable(read.decode("utf-8", "replace"))
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _failure(error, url.place, self._timeout)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    read = bytearray()
    try:
        while len(read) < MAX_ANSWER:
            piece = await response.content.read(MAX_ANSWER - len(read))
            if not piece:
                return bytes(read)
            read += piece
    except (aiohttp.ClientError, TimeoutError, OSError):
        pass  # the status came whole, and it decides; another try would only deliver twice
    response.close()
    return bytes(read)


def _failure(error: Exception, place: str, timeout: float) -> Retry | Pause:
    match error:
        case aiohttp.ClientConnectorError(os_error=PrivateAddress(reason=reason)) if reason == METADATA:
            return Pause(f"{place} has the address of {METADATA}, which no destination calls")
        case aiohttp.ClientConnectorError(os_error=PrivateAddress() as refused):
            return Pause(
                f"{place} has an address that is not public ({refused.reason}); "
                "set allow_private = true to let this destination call it"
            )
        case aiohttp.InvalidURL():
            return Pause(f"{place} is not an address that can be called")
        case TimeoutError():
            return Retry(f"{place} did not answer within {timeout:g} s")
        case _:
            return Retry(_broken(error, place))


def _broken(error: Exception, place: str) -> str:
    """Say what happened without the library's own words where those could contain the URL."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            said = f"the name of {place} could not be resolved: {_reason(error.os_error)}"
        case aiohttp.ClientConnectorCertificateError():
            said = f"{place} has a certificate that is not trusted: {_reason(error.certificate_error)}"
        case aiohttp.ClientSSLError():
            said = f"TLS with {place} failed: {_reason(error.os_error)}"
        case aiohttp.ClientConnectorError():
            said = f"{place} could not be connected to: {_reason(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            said = f"{place} closed the connection without an answer"
        case OSError():
            said = f"the connection to {place} broke: {_reason(error)}"
        case _:
            said = f"{place} did not answer in HTTP ({type(error).__name__})"
    return said


def _reason(error: Exception) -> str:
    said = getattr(error, "verify_message", None) or getattr(error, "reason", None)
    number = getattr(error, "errno", None)
    if not said and number is not None and number > 0:
        said = os.strerror(number)
    return printable(str(said or getattr(error, "strerror", None) or type(error).__name__))
