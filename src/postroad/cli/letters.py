"""Which dead letters are meant, and asking the running server to resend or drop them."""

import itertools
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from postroad.cli.client import ask_admin
from postroad.cli.stores import open_stores
from postroad.clock import Clock
from postroad.config import Config, Server
from postroad.config.problems import did_you_mean
from postroad.errors import UsageError
from postroad.operations.dead import Found, Narrowed, Place, dead_letters
from postroad.regions import Region

CHUNK: Final = 1000
"""Dead letters that one request asks for."""


class Meant(NamedTuple):
    """The dead letters that are meant: those whose account is served, and those whose account has ended.

    `missing` is how many of the offsets or message ids that were named are no dead letters.
    """

    served: Sequence[Place]
    ended: Sequence[Place]
    missing: int


async def meant(config: Config, region: str | None, narrowed: Narrowed, clock: Clock) -> Meant:
    """Find the dead letters that are meant. Raises `UsageError` when the books know no such destination."""
    served: list[Place] = []
    ended: list[Place] = []
    named: set[object] = set(narrowed.message_ids or () if narrowed.offsets is None else narrowed.offsets)
    configured = {name: config.destinations_in(name) for name in config.regions}
    async with open_stores(config, region, clock) as opened:
        await _check_known(opened, narrowed.destination)
        async for found in dead_letters({stores.name: stores.ledger for stores in opened}, narrowed, configured):
            (served if found.served else ended).append(found.place)
            named.discard(found.message_id if narrowed.offsets is None else found.letter.offset)
    return Meant(served, ended, len(named))


async def first(config: Config, region: str | None, narrowed: Narrowed, limit: int, clock: Clock) -> Sequence[Found]:
    """Return the first dead letters that are meant, at most `limit`. Raises as `meant` does."""
    found: list[Found] = []
    configured = {name: config.destinations_in(name) for name in config.regions}
    async with open_stores(config, region, clock) as opened:
        await _check_known(opened, narrowed.destination)
        async for letter in dead_letters({stores.name: stores.ledger for stores in opened}, narrowed, configured):
            found.append(letter)
            if len(found) == limit:
                break
    return found


def settle(server: Server, verb: str, places: Sequence[Place], tell: Callable[[int, int], None]) -> int:
    """Ask the server to `resend` or `drop` these; returns how many were still dead letters.

    Raises `PostroadError` when the server can't be reached or refuses; the chunks before are done then.
    """
    done = {"resend": "resent", "drop": "dropped"}[verb]
    asked = settled = 0
    for (region, account), group in itertools.groupby(places, key=lambda place: (place.region, place.account)):
        offsets = [place.offset for place in group]
        for start in range(0, len(offsets), CHUNK):
            chunk = offsets[start : start + CHUNK]
            question = {"region": region, "account": account, "offsets": chunk}
            settled += ask_admin(server, "POST", f"/api/dead/{verb}", question)[done]
            asked += len(chunk)
            tell(asked, len(places))
    return settled


async def _check_known(opened: Sequence[Region], destination: str | None) -> None:
    names = {account.destination for stores in opened for account in await stores.ledger.accounts()}
    if destination is not None and destination not in names:
        raise UsageError(f"there is no destination {destination!r} in the books{did_you_mean(destination, names)}")
