"""`/api/dead`: dead letters, listed, shown, resent and dropped."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from postroad.admin.asking import MOST, read_body, read_query, read_time, tell
from postroad.admin.regions import DeliveredRegion, region_named
from postroad.clock import Clock
from postroad.ledger.base import Account
from postroad.operations.dead import Found, Narrowed, Place, dead_letters, dead_story, entry_of, served_accounts


class DeadQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a list is narrowed by. `after` is the `next` of the list before."""

    region: str | None = None
    destination: str | None = None
    event: str | None = None
    since: str | None = None
    until: str | None = None
    why: str | None = None
    message_id: str | None = None
    after: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 100


class Letters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters of which account; the body of resend and drop."""

    region: str
    account: int
    offsets: Annotated[list[int], msgspec.Meta(max_length=MOST)]


class DeadApi:
    """The endpoints."""

    def __init__(self, regions: Mapping[str, DeliveredRegion], clock: Clock) -> None:
        self._regions = regions
        self._configured = {name: delivered.region.configured for name, delivered in regions.items()}
        self._clock = clock

    async def list(self, request: Request) -> Response:
        """Tell the dead letters of a region, or of all; `next` is where the list goes on."""
        asked = read_query(request, DeadQuery)
        wanted = self._regions if asked.region is None else {asked.region: region_named(self._regions, asked.region)}
        narrowed = Narrowed(
            destination=asked.destination,
            event=asked.event,
            since=read_time("since", asked.since),
            until=read_time("until", asked.until),
            why=asked.why,
            message_ids=None if asked.message_id is None else {asked.message_id},
        )
        ledgers = {name: region.ledger for name, region in wanted.items()}
        found: list[Found] = []
        more = None
        async for letter in dead_letters(ledgers, narrowed, self._configured, _place(asked.after)):
            if len(found) == asked.limit:
                more = "{}/{}/{}".format(*found[-1].place)
                break
            found.append(letter)
        return tell({"dead": [entry_of(letter) for letter in found], "next": more})

    async def show(self, request: Request) -> Response:
        """Tell one dead letter with its event and every try that failed."""
        name, number, offset = (request.path_params[part] for part in ("region", "account", "offset"))
        ledger = region_named(self._regions, name).ledger
        before = Place(name, number, offset - 1)
        async for found in dead_letters({name: ledger}, Narrowed(offsets=[offset]), self._configured, before):
            if found.account.number == number:
                return tell(await dead_story(found, ledger))
        raise HTTPException(404, f"there is no dead letter {name}/{number}/{offset}")

    async def resend(self, request: Request) -> Response:
        """Turn dead letters into retries that are due now."""
        return await self._change(request, "resent", self._resend)

    async def drop(self, request: Request) -> Response:
        """Give dead letters up for good."""
        return await self._change(request, "dropped", self._drop)

    async def _change(
        self, request: Request, done: str, change: Callable[[DeliveredRegion, Account, Letters], Awaitable[int]]
    ) -> Response:
        letters = await read_body(request, Letters)
        delivered = region_named(self._regions, letters.region)
        account = await delivered.ledger.account(letters.account)
        if account is None:
            raise HTTPException(400, f"there is no account {letters.account} in region {letters.region!r}")
        return tell({done: await change(delivered, account, letters)})

    async def _resend(self, delivered: DeliveredRegion, account: Account, letters: Letters) -> int:
        accounts = await delivered.ledger.accounts()
        if account.number not in served_accounts(accounts, delivered.region.configured):
            if account.number in served_accounts(accounts, [account.destination]):
                why = f"{account.destination!r} is held: it is not in the configuration"
                raise HTTPException(400, f"{why}; nobody would send its dead letters before its table is back")
            gone = f"the account {account.number} of {account.destination!r} has ended"
            raise HTTPException(400, f"{gone}: nobody would send its dead letters; they can only be dropped")
        count = await delivered.ledger.resend(account.number, letters.offsets, self._clock.now())
        delivered.engine.poke(account.destination)
        return count

    async def _drop(self, delivered: DeliveredRegion, account: Account, letters: Letters) -> int:
        return await delivered.ledger.drop(account.number, letters.offsets)


def _place(text: str | None) -> Place | None:
    match text.split("/") if text is not None else None:
        case None:
            return None
        case [region, account, offset] if account.isdecimal() and offset.isdecimal():
            return Place(region, int(account), int(offset))
        case _:
            raise HTTPException(400, "after: give the `next` of the list before, as it is")
