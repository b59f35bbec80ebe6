"""The Mixpanel destination: its import API, in strict mode, which names the events that it refuses.

| call | goes out as |
|---|---|
| track | an event of that name |
| page, screen | an event `Page Viewed` or `Screen Viewed`, with the call's `name` among the properties |
| identify, alias, group | nothing: profiles and identities have other, unchecked ways in, and a merge can't be undone |

An event keeps all its `properties`. Beside them go `time` (milliseconds), `distinct_id` (userId, else
anonymousId, else empty: no user; the placeholders that Mixpanel forbids count as absent), `$insert_id`
(the event's `dedup_key`, or a digest where Mixpanel could not take it), and `ip` for its place on the map; 0 when there
is none, or Mixpanel would place everybody where this server stands. No address is sent. Mixpanel takes an
event once by its name, time, `distinct_id` and `$insert_id`, and cuts texts after 255 characters.
"""

import asyncio
import gzip
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from postroad.destinations.base import BatchLimits, EmailEvents, Event, SendResult, Surroundings
from postroad.destinations.http.answer import ServiceAnswer
from postroad.destinations.http.batches import Part, send_in_chunks
from postroad.destinations.http.client import Client, ServiceUrl, Url, basic_auth
from postroad.destinations.mixpanel.answer import outcomes_of
from postroad.destinations.mixpanel.event import EMAIL_EVENTS, write
from postroad.secret import Secret

Residency = Literal["us", "eu", "in"]

HOSTS: Final[Mapping[Residency, str]] = {
    "us": "https://api.mixpanel.com/import",
    "eu": "https://api-eu.mixpanel.com/import",
    "in": "https://api-in.mixpanel.com/import",
}
_BY_REGION: Final[Mapping[str, Residency]] = {"eu": "eu", "in": "in"}

MAX_EVENTS: Final = 2000
MAX_BYTES: Final = 2_000_000
"""Of plain JSON in one request. The documentation has 10 MB by now, its own example of a refusal 2 MiB."""

_CALLS: Final = frozenset({"track", "page", "screen"})


class Mixpanel:
    """Imports events into a Mixpanel project."""

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Its settings: a project token, or a service account with its secret and the project's id."""

        project_token: Annotated[Secret | None, Meta(description="The project's token.")] = None
        service_account: Annotated[
            str, Meta(description="User name of a service account that is owner or admin, instead of a token.")
        ] = ""
        service_account_secret: Annotated[Secret | None, Meta(description="The service account's secret.")] = None
        project_id: Annotated[int | str, Meta(description="The project's id; needed with a service account.")] = ""
        residency: Annotated[
            Residency | None,
            Meta(
                description="Where the project's data is.",
                extra={"default": "`eu` or `in` in a region of that name, else `us`"},
            ),
        ] = None
        url: Annotated[ServiceUrl | None, Meta(description="Where to POST batches instead, for example a proxy.")] = (
            None
        )

        def __post_init__(self) -> None:
            """Demand one way to sign in, and all of it."""
            account = (self.service_account, self.service_account_secret, self.project_id)
            if self.project_token is None and not all(account):
                raise ValueError(
                    "project_token: is required, or service_account, service_account_secret and project_id"
                )
            if self.project_token is not None and any(account[:2]):
                raise ValueError("project_token: can't be used together with a service account")

    batch: ClassVar[BatchLimits] = BatchLimits(max_events=MAX_EVENTS, max_bytes=1_500_000, linger=1.0)

    email_events: ClassVar[EmailEvents] = EMAIL_EVENTS

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        self._clock = surroundings.clock
        secret = settings.project_token or settings.service_account_secret or Secret("")
        authorization = basic_auth(*_credentials(settings))
        self._headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "Authorization": authorization,
        }
        url = settings.url or Url(HOSTS[settings.residency or _BY_REGION.get(surroundings.region, "us")])
        query = {"strict": "1"} | ({"project_id": str(settings.project_id)} if settings.project_id else {})
        self._url = Url(str(url.parsed.update_query(query)))
        hidden = [*url.secrets, secret.reveal(), authorization.partition(" ")[2]]
        self._client = Client(surroundings, secrets=hidden)

    def takes(self, event: Event) -> bool:
        """Tell whether it is something that happened: a track, page or screen call."""
        return event.type in _CALLS

    async def send(self, events: Sequence[Event]) -> Sequence[SendResult]:
        """POST the batch, compressed."""
        # In a thread: two thousand events are some tens of milliseconds that other destinations need.
        parts = await asyncio.to_thread(lambda: [write(event) for event in events])
        return await send_in_chunks(parts, max_events=MAX_EVENTS, max_bytes=MAX_BYTES, post=self._post)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _post(self, parts: Sequence[Part]) -> Sequence[SendResult]:
        body = await asyncio.to_thread(_compressed, parts)
        answer = await self._client.post(self._url, body, self._headers)
        if not isinstance(answer, ServiceAnswer):
            return [answer] * len(parts)
        return outcomes_of(answer, self._clock.now(), [part.key for part in parts], self._client.showable)


def _credentials(settings: Mixpanel.Settings) -> tuple[str, str]:
    if settings.project_token is not None:
        return settings.project_token.reveal(), ""
    secret = settings.service_account_secret
    return settings.service_account, secret.reveal() if secret is not None else ""


def _compressed(parts: Sequence[Part]) -> bytes:
    return gzip.compress(b"[%b]" % b",".join(part.body for part in parts), compresslevel=1, mtime=0)
