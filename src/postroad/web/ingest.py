"""The ingest endpoint: bytes come in, are proved to be an event, and are on disk before we say yes."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from postroad.clock import Clock
from postroad.contract.calls import Type
from postroad.contract.credentials import keys_in_header
from postroad.contract.decode import Call, Unusable, decode
from postroad.contract.limits import LENIENT_BATCH_BYTES
from postroad.contract.sameness import is_retry
from postroad.contract.stored import make_key, pack, unpack
from postroad.contract.violations import Code, Problem
from postroad.errors import StoreUnavailable
from postroad.log.base import Entry, Log, Receipt
from postroad.rejections import Rejection, Rejections
from postroad.web.answers import OK, Answer, Error, Receive, Scope, refuse, unavailable
from postroad.web.keyring import ApiSource, KeyRing, fingerprint
from postroad.web.request import Head, Oversized, read_body, read_head
from postroad.web.tally import IngestTally

_COMPLAIN_EVERY = 10.0


class RegionStores(NamedTuple):
    """Where the events and the rejections of one region go."""

    log: Log
    rejections: Rejections


class Ingest:
    """Answers the API's calls. One object serves all regions of a process."""

    def __init__(
        self,
        keys: KeyRing,
        regions: Mapping[str, RegionStores],
        clock: Clock,
        tally: IngestTally,
        new_message_id: Callable[[], str],
        *,
        always_strict: bool = False,
    ) -> None:
        """`always_strict` gives real status codes even to those whose key belongs to no source."""
        self._keys = keys
        self._regions = regions
        self._first_region = next(iter(regions))
        self._clock = clock
        self._tally = tally
        self._new_message_id = new_message_id
        self._always_strict = always_strict
        self._complain_at = 0.0
        self._logger = structlog.get_logger("postroad.ingest")

    async def call(self, kind: Type, scope: Scope, receive: Receive) -> Answer:
        """Answer a single call. Raises `Disconnected` when the client leaves before its request is whole."""
        head = read_head(scope)
        source = self._keys.by_header(head.authorization)
        region = source.region if source else self._first_region
        try:
            self._demand_health(region)  # before the body is read: nothing of it could be kept
            body = await read_body(receive, LENIENT_BATCH_BYTES)
            answer = await self._take(kind, head, source, body, scope["path"])
        except StoreUnavailable as error:
            self._complain(region, error)
            answer = unavailable("nothing was stored, because the store can't write now; send it again later")
        self._tally.requests[region, answer.status] += 1
        return answer

    def _demand_health(self, region: str) -> None:
        if not self._regions[region].log.healthy:
            raise StoreUnavailable("the log can't be written now")

    def _complain(self, region: str, error: StoreUnavailable) -> None:
        """Log why events are refused: the reason names files, so clients don't get it. Not every time."""
        now = self._clock.monotonic()
        if now >= self._complain_at:
            self._complain_at = now + _COMPLAIN_EVERY
            self._logger.error("events are refused", region=region, reason=str(error))

    async def _take(
        self, kind: Type, head: Head, source: ApiSource | None, body: bytes | Oversized, path: str
    ) -> Answer:
        if source is None:
            return await self._stranger(head, body, path)
        strict = head.strict or source.always_strict
        received_at = self._clock.now()
        found = self._decode(kind, head, body, received_at)
        if isinstance(found, Unusable):
            if strict:
                return refuse(Error.INVALID, "the call can't be used", found.reasons)
            return await self._reject(source, path, found.reasons, body, received_at)
        if strict and found.violations:
            return refuse(Error.INVALID, "the event breaks the contract", found.violations)
        return await self._store(source, found, received_at)

    def _decode(self, kind: Type, head: Head, body: bytes | Oversized, received_at: int) -> Call | Unusable:
        if isinstance(body, Oversized):
            return Unusable((Problem("", Code.TOO_LARGE, f"the body is over {LENIENT_BATCH_BYTES} bytes"),))
        if head.encoding not in (b"", b"identity"):
            return Unusable((Problem("", Code.BAD_ENCODING, "Content-Encoding must be identity"),))
        return decode(body, kind, received_at, self._new_message_id)

    async def _store(self, source: ApiSource, call: Call, received_at: int) -> Answer:
        entry = Entry(make_key(source.name, call.message_id), pack(call, received_at))
        receipt = await self._regions[source.region].log.append((entry,))
        if receipt.duplicates:
            self._count_duplicates(source, (call,), receipt)
        else:
            self._tally.items[source.region, source.name, "accepted"] += 1
        wrong = len(call.violations) + len(call.notes)
        return OK._replace(headers=((b"x-postroad-violations", str(wrong).encode()),)) if wrong else OK

    def _count_duplicates(self, source: ApiSource, calls: Sequence[Call], receipt: Receipt) -> None:
        for index, record in receipt.duplicates.items():
            call = calls[index]
            same = is_retry(unpack(record.value).body, call.body)
            self._tally.items[source.region, source.name, "duplicate" if same else "conflict"] += 1
            if not same:
                self._logger.warning(
                    "another event with a known message id was not stored",
                    source=source.name,
                    region=source.region,
                    message_id=call.message_id,
                    offset=record.offset,
                )

    async def _stranger(self, head: Head, body: bytes | Oversized, path: str) -> Answer:
        keys = keys_in_header(head.authorization)
        if keys:
            problem = Problem("", Code.KEY_UNKNOWN, "the write key belongs to no source here; check it for typos")
        else:
            problem = Problem("", Code.KEY_MISSING, "no write key; send it as the user name of HTTP Basic")
        if head.strict or self._always_strict:
            challenge = ((b"www-authenticate", b'Basic realm="postroad", charset="UTF-8"'),)
            return refuse(Error.UNAUTHORIZED, problem.message, (problem,), challenge)
        size = body.size if isinstance(body, Oversized) else len(body)
        rejection = Rejection(
            at=self._clock.now(),
            source="",
            code=problem.code,
            details=_details((problem,)),
            path=path,
            size=size,
            key_fingerprint=fingerprint(keys),
            body=None,
        )
        await self._regions[self._first_region].rejections.record((rejection,))
        self._tally.items[self._first_region, "", "rejected"] += 1
        return OK

    async def _reject(
        self, source: ApiSource, path: str, reasons: Sequence[Problem], body: bytes | Oversized, at: int
    ) -> Answer:
        size = body.size if isinstance(body, Oversized) else len(body)
        rejection = Rejection(
            at=at,
            source=source.name,
            code=reasons[-1].code,
            details=_details(reasons),
            path=path,
            size=size,
            key_fingerprint="",
            body=None if isinstance(body, Oversized) else body,
        )
        await self._regions[source.region].rejections.record((rejection,))
        self._tally.items[source.region, source.name, "rejected"] += 1
        return OK


def _details(problems: Sequence[Problem]) -> tuple[tuple[str, str, str], ...]:
    return tuple((problem.path, problem.code, problem.message) for problem in problems)
