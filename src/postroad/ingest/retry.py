"""Retrying rejections in the ingest process: their kept bodies are taken as if they came now.

Only the ingest process can store an event and let a rejection go, and nobody has the write key any more. So
the ingest address takes `POST /api/rejections/retry` from whoever has the token of that path, which is made of the
admin token: that is the admin address. To everybody else there is nothing here.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from postroad.clock import Clock
from postroad.contract.calls import PATHS
from postroad.contract.decode import Call, Unusable, decode
from postroad.contract.members import excerpt
from postroad.contract.refusals import Error
from postroad.contract.violations import Code, Problem
from postroad.errors import StoreUnavailable, UsageError
from postroad.ingest.batches import decode_in_slices, open_in_slices
from postroad.ingest.keeping import Keeper, Taken
from postroad.ingest.keyring import ApiSource
from postroad.ingest.request import Oversized
from postroad.ingest.turns import Turns
from postroad.operations.asking import MOST, chosen, read_json
from postroad.operations.rejections import RejectionsRetry, Retried, Stays
from postroad.rejections import Rejection, Rejections, RejectionsReader
from postroad.web.answers import Answer, refuse, unavailable


class RetryRegion(NamedTuple):
    """Where one region's rejections are."""

    rejections: Rejections
    reader: RejectionsReader


class Retry:
    """Answers `POST /api/rejections/retry`."""

    def __init__(
        self,
        regions: Mapping[str, RetryRegion],
        sources: Mapping[str, ApiSource],
        keeper: Keeper,
        *,
        clock: Clock,
        secret: bytes | None = None,
    ) -> None:
        """`sources` are those that are configured; of `secret` the message ids are made, of a new one when None."""
        self._regions = regions
        self._sources = sources
        self._keeper = keeper
        self._clock = clock
        self._turns = Turns()
        self._secret = secret or secrets.token_bytes(16)

    async def answer(self, body: bytes | Oversized) -> Answer:
        """Retry what the body of a request names."""
        if isinstance(body, Oversized):
            return refuse(Error.INVALID, f"the body has {body.size} bytes; name at most {MOST} ids in a request")
        try:
            asked = read_json(RejectionsRetry, body, self._clock)
            region = chosen(self._regions, asked.region)[asked.region]
            return Answer(200, msgspec.json.encode(await self._retry(asked, region)))
        except UsageError as error:
            return refuse(Error.INVALID, str(error))
        except StoreUnavailable:
            return unavailable("the store can't write now; retry the same rejections later")

    async def _retry(self, asked: RejectionsRetry, region: RetryRegion) -> Retried:
        retried: list[int] = []
        refused: list[Stays] = []
        for number in dict.fromkeys(asked.ids):
            reasons = await self._retry_one(asked.region, number, region)
            if reasons:
                refused.append(Stays(number, reasons))
            else:
                retried.append(number)
        return Retried(retried, refused)

    async def _retry_one(self, name: str, number: int, region: RetryRegion) -> Sequence[str]:
        """Store one rejection's events and let it go; returns why not, nothing when it is done."""
        rejection = await region.reader.get(number)
        if rejection is None:
            return ["it never was, was evicted, or was retried before"]
        if rejection.body is None:
            return ["its body was not kept"]
        source = self._sources.get(rejection.source)
        if source is None or source.region != name:
            return [f"its source {rejection.source!r} is no longer configured in this region"]
        at = self._clock.now()
        found = await self._decode(name, rejection, rejection.body, at)
        reasons = [problem.sentence for one in found if isinstance(one, Unusable) for problem in one.reasons]
        if reasons:
            return reasons
        calls = [one for one in found if isinstance(one, Call)]
        known = await self._keeper.keep(Taken(source, strict=False, path=rejection.path, received_at=at), calls)
        if known:
            return [_already_there(calls[index].message_id, offset) for index, offset in known.items()]
        await region.rejections.remove([number])  # last: what has a messageId is found again after a crash
        return []

    async def _decode(self, region: str, rejection: Rejection, body: bytes, at: int) -> Sequence[Call | Unusable]:
        new_id = self._ids(region, rejection.id)
        call = PATHS.get(rejection.path)
        if rejection.index is None and call is not None:
            return [decode(body, call, at, new_id)]
        if rejection.index is None and rejection.path not in PATHS:
            problem = Problem("", Code.UNKNOWN_TYPE, f"what came to {rejection.path} can't be retried")
            return [Unusable((problem,))]
        batch = await open_in_slices(body if rejection.index is None else b'{"batch":[%b]}' % body, self._turns)
        if isinstance(batch, Unusable):
            return [batch]
        return [item.found for item in await decode_in_slices(batch, at, new_id, self._turns)]

    def _ids(self, region: str, rejection: int) -> Callable[[], str]:
        """Return what makes message ids for what came without: nobody can guess one and send an event with it first.
        The same rejection gets the same ones for as long as the secret is the same, so that it is stored once.
        """
        made = 0

        def new_id() -> str:
            nonlocal made
            made += 1
            place = f"{region}/{rejection}/{made}".encode()
            return f"postroad-{hashlib.blake2b(place, digest_size=16, key=self._secret).hexdigest()}"

        return new_id


def _already_there(message_id: str, offset: int) -> str:
    """Say why a rejection stays that met a stored event; that one may say something else."""
    return (
        f"messageId: {excerpt(message_id)} is in the log already, at offset {offset}, and was not stored again; compare"
        " the two with `postroad show`"
    )
