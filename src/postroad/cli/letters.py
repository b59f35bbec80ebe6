"""Finding dead letters, and asking the running server to resend or drop them."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

from postroad.cli.client import post_admin
from postroad.cli.stores import Stores
from postroad.config import Server, read_admin_token
from postroad.config.defaults import TOKEN_FILE
from postroad.errors import PostroadError, StoreUnavailable
from postroad.ledger.base import Account, DeadLetter

CHUNK: Final = 1000
"""Dead letters that one request asks for."""

_PAGE: Final = 1000
_TIMEOUT: Final = 60.0


class Narrowed(NamedTuple):
    """Which dead letters are meant: those that fit everything that is not None. `since` is in microseconds."""

    destination: str | None = None
    event: str | None = None
    since: int | None = None
    offsets: Sequence[int] | None = None


class Found(NamedTuple):
    """A dead letter, and whose it is."""

    region: str
    account: Account
    letter: DeadLetter

    @property
    def owner(self) -> tuple[str, str]:
        """Region and destination."""
        return self.region, self.account.destination


async def matching(opened: Sequence[Stores], narrowed: Narrowed) -> AsyncIterator[Found]:
    """Yield the dead letters that are meant, by region, destination and offset."""
    for stores in opened:
        for account in await stores.ledger.accounts():
            if narrowed.destination in {None, account.destination}:
                async for letter in _of_account(stores, account, narrowed):
                    yield Found(stores.region, account, letter)


def settle(
    server: Server, verb: str, letters: Sequence[tuple[tuple[str, str], int]], tell: Callable[[int, int], None]
) -> int:
    """Ask the server to `resend` or `drop` these offsets, each with its region and destination; returns how
    many were still dead letters.

    Raises `PostroadError` when the server can't be reached or refuses; the chunks before are done then.
    """
    token = read_admin_token(server.data_dir)
    if token is None:
        raise StoreUnavailable(f"there is no {server.data_dir / TOKEN_FILE}: no server has been started here")
    asked = settled = 0
    for (region, destination), group in itertools.groupby(letters, key=lambda entry: entry[0]):
        offsets = [offset for _, offset in group]
        for start in range(0, len(offsets), CHUNK):
            chunk = offsets[start : start + CHUNK]
            body = msgspec.json.encode({"region": region, "destination": destination, "offsets": chunk})
            settled += _ask(server, f"/api/dead/{verb}", body, token)
            asked += len(chunk)
            tell(asked, len(letters))
    return settled


async def _of_account(stores: Stores, account: Account, narrowed: Narrowed) -> AsyncIterator[DeadLetter]:
    if narrowed.offsets is not None:
        for offset in dict.fromkeys(narrowed.offsets):
            for letter in await stores.ledger.dead(
                account.number, offset=offset, label=narrowed.event, since=narrowed.since
            ):
                yield letter
        return
    after = -1
    while letters := await stores.ledger.dead(
        account.number, label=narrowed.event, since=narrowed.since, after=after, limit=_PAGE
    ):
        for letter in letters:
            yield letter
        after = letters[-1].offset


def _ask(server: Server, path: str, body: bytes, token: str) -> int:
    answer = post_admin(server, path, body, token, _TIMEOUT)
    try:
        told = msgspec.json.decode(answer.body, type=dict[str, object])
    except msgspec.DecodeError:
        told = {}
    if answer.status != HTTPStatus.OK:
        raise PostroadError(f"the server at {server.admin_bind} answers {answer.status}: {told.get('message', '')}")
    return next((count for count in told.values() if isinstance(count, int)), 0)
