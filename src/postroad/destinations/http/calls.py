"""What the services share that take calls as we do: `{"batch": […], "sentAt": …}` to one address, with a write key.

A call goes out as it is but for `sentAt`, `originalTimestamp` and `receivedAt`. Those three describe another
hop than ours, and services correct a client's clock by them: an event that is delivered late or replayed
would move to the time of its delivery. The batch's own `sentAt` is the time of this request.

| answer | outcome |
|---|---|
| 2xx | delivered, unless the body reports an error |
| 400, 409, 422 | refused; of several split, to find the guilty one |
| 413 | split |
| 408, 423, 425, 429, 5xx but 501 | retry, not before Retry-After |
| 401, 403 | pause: the write key is wrong |
| anything else | pause: the address is wrong, not the events |
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Raw

from postroad.clock import iso
from postroad.destinations.base import Delivered, Event, Refused, SendResult, Surroundings
from postroad.destinations.http.answer import ServiceAnswer, outcome_of
from postroad.destinations.http.batches import Part, isolating, pausing, send_in_chunks
from postroad.destinations.http.client import Client, Url
from postroad.secret import Secret

EVENT_BYTES: Final = 32 * 1024
"""What Customer.io and Segment take of one call, as plain JSON."""

BATCH_BYTES: Final = 475_000
"""What goes into one request: less than their 500 KB, and where the official Python clients stop."""

Residency = Literal["us", "eu"]
"""In whose data centres an account is. The wrong one may answer 200 and lose everything."""

_OTHER_HOPS: Final = ("sentAt", "originalTimestamp", "receivedAt")


class _Errors(msgspec.Struct, frozen=True):
    error: Any = None
    errors: Any = None


class _Said(_Errors, frozen=True):
    success: Any = None
    meta: _Errors = _Errors()


_SAID: Final = msgspec.json.Decoder(_Said)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])


class Service(NamedTuple):
    """Where calls go, and with what: `authorization` is that header's value, made of `key`."""

    name: str
    url: Url
    key: Secret
    authorization: Secret
    headers: Mapping[str, str]
    max_events: int


class Calls:
    """Sends calls to one service; `write` puts one as the service wants it. Made inside a running event loop."""

    def __init__(self, service: Service, surroundings: Surroundings, write: Callable[[Event], Part]) -> None:
        self._service = service
        self._write = write
        self._clock = surroundings.clock
        authorization = service.authorization.reveal()
        self._headers = {"Content-Type": "application/json", "Authorization": authorization, **service.headers}
        hidden = [service.key.reveal(), authorization.partition(" ")[2]]
        self._client = Client(surroundings, secrets=[*service.url.secrets, *hidden])

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """Send a batch in as few requests as the limits allow."""
        parts = [self._checked(self._write(event)) for event in events]
        return await send_in_chunks(parts, max_events=self._service.max_events, max_bytes=BATCH_BYTES, post=self._post)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _checked(self, part: Part) -> Part | Refused:
        if len(part.body) <= EVENT_BYTES:
            return part
        return Refused(f"has {len(part.body)} bytes; {self._service.name} takes {EVENT_BYTES} an event")

    async def _post(self, parts: Sequence[Part]) -> Sequence[SendResult]:
        joined, now = b",".join(part.body for part in parts), self._clock.now()
        body = b'{"batch":[%b],"sentAt":"%b"}' % (joined, iso(now).encode())
        answer = await self._client.post(self._service.url, body, self._headers)
        outcome = _read(answer, now) if isinstance(answer, ServiceAnswer) else answer
        return [isolating(outcome, len(parts))] * len(parts)


def address(url: Url | None, hosts: Mapping[Residency, str], residency: Residency | None, region: str) -> Url:
    """Return where to post: the address that was given, else the residency's, else that of our own region's name."""
    if url is not None:
        return url
    return Url(hosts[residency or ("eu" if region == "eu" else "us")])


def members_of(event: Event) -> dict[str, Raw]:
    """Return a call's members as they came, without those that describe another hop than ours."""
    members = _MEMBERS.decode(event.body)
    for name in _OTHER_HOPS:
        members.pop(name, None)
    return members


def _read(answer: ServiceAnswer, now: int) -> SendResult:
    outcome = outcome_of(answer, now)
    if isinstance(outcome, Delivered) and _reports_errors(answer.body):
        why = f"answered {answer.status}, but with errors"
        return Refused(why, answer.status, answer.excerpt)
    return pausing(outcome)


def _reports_errors(body: bytes) -> bool:
    try:
        said = _SAID.decode(body)
    except msgspec.DecodeError:
        return False
    return said.success is False or bool(said.error or said.errors or said.meta.error or said.meta.errors)
