"""The ingest endpoints: bytes come in, are proved to be events, and are on disk before we say yes."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from postroad.clock import Clock
from postroad.contract.calls import Type
from postroad.contract.credentials import keys_in_body
from postroad.contract.decode import Unusable, decode
from postroad.contract.envelope import Batch
from postroad.contract.limits import EVENT_BYTES, LENIENT_BATCH_BYTES
from postroad.contract.refusals import Error
from postroad.contract.violations import Code, Problem
from postroad.errors import StoreUnavailable
from postroad.ingest.arrival import Arrived, Body, KeySeeker, Sought, open_body, open_small
from postroad.ingest.batches import Batches
from postroad.ingest.budget import BodyBudget, Crowded, Holding, shares_of
from postroad.ingest.forwarded import NO_PROXIES, Proxies, peer_behind
from postroad.ingest.guesses import WRONG_KEY
from postroad.ingest.keeping import Keeper, Refusable, Taken, size_of
from postroad.ingest.keyring import ApiSource
from postroad.ingest.limits import OverRate, SourceLimits
from postroad.ingest.request import Head, Oversized, announced, read_body, read_head
from postroad.ingest.sampled import Sampled
from postroad.ingest.senders import Senders, Stranger
from postroad.ingest.tally import IngestTally
from postroad.ingest.turns import Turns
from postroad.regions import IngestStores
from postroad.web.answers import OK, REQUEST_ID, Answer, Receive, Scope, counted, over_rate, refuse, unavailable

CROWDED = "too much is being received at once, and nothing of this was stored; send it again later"
_LARGE = 4
"""Large bodies of a source, or of all strangers, that are open at once."""
_OVERSIZED = f"the body is over {EVENT_BYTES} bytes, the limit for one event; leave out what no tool needs"
_OVERSIZED_BATCH = f"the body is over {LENIENT_BATCH_BYTES} bytes; send it in several batches"


class _Came(NamedTuple):
    """A request whose body is there: whose it is by its header, and the plain body if that is small."""

    head: Head
    source: ApiSource | None
    body: Body
    small: bytes | Problem | None


class Ingest:
    """Answers the API's calls. One object serves all regions of a process."""

    def __init__(
        self,
        senders: Senders,
        regions: Mapping[str, IngestStores],
        clock: Clock,
        tally: IngestTally,
        new_message_id: Callable[[], str],
        *,
        proxies: Proxies = NO_PROXIES,
        always_strict: bool = False,
        limits: SourceLimits | None = None,
    ) -> None:
        """`always_strict` gives real status codes even to those whose key belongs to no source; without `limits` no
        source has a rate.
        """
        self._senders = senders
        self._regions = regions
        self._first_region = next(iter(regions))
        self._clock = clock
        self._tally = tally
        self._new_message_id = new_message_id
        self._always_strict = always_strict
        self._limits = limits or SourceLimits({}, clock, tally)
        self._keeper = Keeper(regions, tally, clock)
        self._turns = Turns()
        self._batches = Batches(self._keeper, senders, new_message_id, self._turns)
        self._seeker = KeySeeker(lambda keys: senders.by_keys(keys) is not None, self._turns)
        self._budget = BodyBudget()
        self._large: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_LARGE))
        self._crowded = Sampled("a body was refused, because too much is being received at once", clock)
        self._proxies = proxies
        self._unavailable = {region: Sampled("events are refused", clock) for region in regions}
        self._over_rate = Sampled("a source is over its rate and was answered 429", clock)
        self._strangers = Sampled("a call was refused, because its write key is of no source here", clock)

    async def call(self, kind: Type | None, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> Answer:
        """Answer a single call, or a batch when `kind` is None. `headers` are by name, in lower case.

        Raises `Disconnected` when the client leaves before its request is whole.
        """
        head = read_head(headers)
        source = self._senders.by_header(head.authorization)
        region = source.region if source else self._first_region
        holding = self._holding(scope, source)
        try:
            self._demand_room(*([region] if source else self._regions))  # before the body: nothing could be kept
            if source is not None:
                self._limits.demand(source)
            body = announced(headers) or await read_body(receive, LENIENT_BATCH_BYTES, holding, self._turns)
            came = _Came(head, source, body, open_small(body, head.encoding))
            if came.small is None:
                async with self._large[source.name if source else ""]:
                    region, answer = await self._answer(kind, scope, came)
            else:
                region, answer = await self._answer(kind, scope, came)
        except OverRate as error:
            self._over_rate.warn(source=error.source, region=region, request_id=_request_id(scope))
            answer = over_rate(error.seconds)
        except Crowded as error:
            self._crowded.warn(reason=str(error), request_id=_request_id(scope))
            answer = unavailable(CROWDED)
        except StoreUnavailable as error:
            # The reason names files, so clients don't get it.
            self._unavailable[region].warn(region=region, reason=str(error), request_id=_request_id(scope))
            answer = unavailable("nothing was stored, because the store can't write now; send it again later")
        finally:
            holding.drop()
        self._tally.requests[region, answer.status] += 1
        return answer

    async def _answer(self, kind: Type | None, scope: Scope, came: _Came) -> tuple[str, Answer]:
        """Answer what came. Returns the region that it was for, too."""
        head, source, body, small = came
        sought = Sought((), small) if source else await self._seeker.seek(body, head.encoding, small)
        sender = self._senders.identify(source, head.authorization, sought.keys, scope)
        if isinstance(sender, Stranger):
            if source is None and sender.fingerprint and self._senders.by_keys(sought.keys) is None:
                scope[WRONG_KEY] = True
            self._warn_of(sender, scope)
            region = source.region if source else self._first_region
            return region, await self._refuse_stranger(sender, head, size_of(body), region, scope["path"])
        if source is None:  # only its body has said which
            self._demand_room(sender.region)
        strict = head.strict or sender.always_strict
        taken = Taken(sender, strict, scope["path"], self._clock.now(), _request_id(scope))
        arrived = await open_body(body, head.encoding, sought, self._turns, is_batch=kind is None)
        return sender.region, await self._take(kind, taken, arrived)

    async def read(self, receive: Receive, scope: Scope) -> Body:
        """Read the body of what is no call, within the bounds of a stranger's.

        Raises `Disconnected` when the client leaves first, and `Crowded` when too much is being received at once.
        """
        return await self._read(receive, self._holding(scope, None))

    async def read_of_operator(self, receive: Receive) -> Body:
        """Read the body of what an operator asks, beside everybody's. Raises the same."""
        return await self._read(receive, Holding(self._budget, tuple))

    async def _read(self, receive: Receive, holding: Holding) -> Body:
        try:
            return await read_body(receive, LENIENT_BATCH_BYTES, holding, self._turns)
        finally:
            holding.drop()

    def _holding(self, scope: Scope, source: ApiSource | None) -> Holding:
        return Holding(
            self._budget, lambda: shares_of(source.name if source else "", peer_behind(scope, self._proxies))
        )

    def _demand_room(self, *regions: str) -> None:
        """Raise `StoreUnavailable` when none of the regions that it may be for can take an event now."""
        logs = [self._regions[region].log for region in regions]
        if not any(log.healthy for log in logs):
            raise StoreUnavailable("the log can't be written now")
        if all(log.full or not log.healthy for log in logs):
            raise StoreUnavailable("too much is waiting to be written")

    def _warn_of(self, stranger: Stranger, scope: Scope) -> None:
        """Log who calls in vain: clients that don't ask for strict mode are told 200."""
        self._strangers.warn(
            why=stranger.problem.message,
            key_fingerprint=stranger.fingerprint,
            path=scope["path"],
            peer=peer_behind(scope, self._proxies),
            request_id=_request_id(scope),
        )

    def _take(self, kind: Type | None, taken: Taken, arrived: Arrived) -> Awaitable[Answer]:
        plain, batch = arrived.plain, arrived.batch
        events = len(batch.items) if isinstance(batch, Batch) else 1
        self._limits.take(taken.source, max(1, events), size_of(arrived.whole if isinstance(plain, Problem) else plain))
        if isinstance(plain, Problem):
            return self._unusable(taken, (plain,), arrived.whole)
        if isinstance(plain, Oversized):
            problem = Problem("", Code.TOO_LARGE, _OVERSIZED if kind else _OVERSIZED_BATCH)
            return self._unusable(taken, (problem,), plain)
        if kind is not None:
            return self._single(kind, taken, plain)
        if isinstance(batch, Batch):
            return self._batches.take(taken, batch)
        return self._unusable(taken, batch.reasons if batch else (), plain)

    async def _single(self, kind: Type, taken: Taken, body: bytes) -> Answer:
        call = decode(body, kind, taken.received_at, self._new_message_id)
        if isinstance(call, Unusable):
            return await self._unusable(taken, call.reasons, body)
        keys = keys_in_body(body) if b'"writeKey"' in body else ()
        mismatch = self._senders.contradiction(taken.source, keys)
        if mismatch is not None:
            call = replace(call, violations=(*call.violations, mismatch))
        if taken.strict and call.violations:
            return refuse(Error.INVALID, "the event breaks the contract", call.violations)
        await self._keeper.keep(taken, (call,))
        return counted(len(call.violations) + len(call.notes))

    async def _unusable(self, taken: Taken, reasons: tuple[Problem, ...], body: Body) -> Answer:
        if taken.strict:
            return refuse(Error.INVALID, "the call can't be used", reasons)
        await self._keeper.reject(taken, (Refusable(reasons, body),))
        return OK

    async def _refuse_stranger(self, stranger: Stranger, head: Head, size: int, region: str, path: str) -> Answer:
        problem = stranger.problem
        if head.strict or self._always_strict:
            challenge = ((b"www-authenticate", b'Basic realm="postroad", charset="UTF-8"'),)
            return refuse(Error.UNAUTHORIZED, problem.message, (problem,), challenge)
        now = self._clock.now()
        await self._keeper.reject_stranger(
            region, problem, fingerprint=stranger.fingerprint, path=path, size=size, received_at=now
        )
        return OK


def _request_id(scope: Scope) -> str:
    found: bytes = scope.get(REQUEST_ID, b"")
    return found.decode()
