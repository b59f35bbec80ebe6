"""Keeping what was taken: events in their region's log, rejections beside it, and the count of both."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from postroad.clock import Clock
from postroad.contract.decode import Call
from postroad.contract.stored import is_retry, make_key, pack, unpack
from postroad.contract.violations import Code, Problem
from postroad.ingest.keyring import ApiSource
from postroad.ingest.request import Oversized
from postroad.ingest.sampled import Sampled
from postroad.ingest.tally import IngestTally
from postroad.log.base import Entry, Receipt
from postroad.regions import IngestStores
from postroad.rejections import Rejection


class Taken(NamedTuple):
    """A whole request of a known source. `strict` says whether it gets real status codes."""

    source: ApiSource
    strict: bool
    path: str
    received_at: int
    request_id: str = ""


class Refusable(NamedTuple):
    """Something that can't become an event, on its way to the rejections: its reasons, what came, and its place
    in the batch if it came in one.
    """

    reasons: Sequence[Problem]
    body: bytes | Oversized
    place: int | None = None


_PRIVATE: Final = 0
_PUBLIC: Final = 1
"""The log's dedup windows: what public sources send shortens no other's."""

_SHOWN: Final = 100
"""Characters of a message id in a line of the log."""
_AT_ONCE: Final = 250
"""Events of a batch that are packed, or compared with what they repeat, before other requests get their turn."""


class Keeper:
    """Writes, and counts what it wrote."""

    def __init__(self, regions: Mapping[str, IngestStores], tally: IngestTally, clock: Clock) -> None:
        self._regions = regions
        self._tally = tally
        self._conflicts = Sampled("another event with a known message id was not stored", clock)
        self._similar = Sampled("an event has nearly the name of an email event", clock)

    async def keep(self, taken: Taken, calls: Sequence[Call]) -> Mapping[int, int]:
        """Store calls, all or none; returns those that were there already, by index, with the offset of what they
        repeat. Raises `StoreUnavailable`.
        """
        source, received_at = taken.source, taken.received_at
        entries: list[Entry] = []
        for start in range(0, len(calls), _AT_ONCE):
            if start:
                await asyncio.sleep(0)
            part = calls[start : start + _AT_ONCE]
            entries += [Entry(make_key(source.name, call.message_id), pack(call, received_at)) for call in part]
        receipt = await self._regions[source.region].log.append(entries, _PUBLIC if source.is_public else _PRIVATE)
        accepted = len(entries) - len(receipt.duplicates)
        if accepted:
            self._tally.items[source.region, source.name, "accepted"] += accepted
        similar = next((call for call in calls if call.notes and call.notes[0].code is Code.SIMILAR_NAME), None)
        if similar is not None:
            self._similar.warn(
                source=source.name, event_name=similar.name, why=similar.notes[0].message, request_id=taken.request_id
            )
        if receipt.duplicates:
            await self._count_duplicates(taken, calls, receipt)
        return {index: record.offset for index, record in receipt.duplicates.items()}

    async def reject(self, taken: Taken, found: Sequence[Refusable]) -> None:
        """Record rejections of a known source, with their bodies. Raises `StoreUnavailable`."""
        source = taken.source
        rejections = [_rejection(one, taken) for one in found]
        await self._regions[source.region].rejections.record(rejections)
        self._tally.items[source.region, source.name, "rejected"] += len(rejections)

    async def reject_stranger(
        self, region: str, problem: Problem, *, fingerprint: str, path: str, size: int, received_at: int
    ) -> None:
        """Record a rejection of nobody we know, without its body. Raises `StoreUnavailable`."""
        rejection = Rejection(
            at=received_at,
            source="",
            code=problem.code,
            details=_details((problem,)),
            path=path,
            size=size,
            key_fingerprint=fingerprint,
            body=None,
        )
        await self._regions[region].rejections.record((rejection,))
        self._tally.items[region, "", "rejected"] += 1

    async def _count_duplicates(self, taken: Taken, calls: Sequence[Call], receipt: Receipt) -> None:
        source = taken.source
        for count, (index, record) in enumerate(receipt.duplicates.items(), 1):
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
            call = calls[index]
            same = not record.value or is_retry(unpack(record.value).body, call.body)  # erased: nobody can tell
            self._tally.items[source.region, source.name, "duplicate" if same else "conflict"] += 1
            if not same:
                self._conflicts.warn(
                    source=source.name,
                    region=source.region,
                    message_id=call.message_id[:_SHOWN],
                    offset=record.offset,
                    request_id=taken.request_id,
                )


def size_of(body: bytes | Oversized) -> int:
    """Return how many bytes came."""
    return body.size if isinstance(body, Oversized) else len(body)


def _rejection(found: Refusable, taken: Taken) -> Rejection:
    return Rejection(
        at=taken.received_at,
        source=taken.source.name,
        code=found.reasons[-1].code,
        details=_details(found.reasons),
        path=taken.path,
        size=size_of(found.body),
        key_fingerprint="",
        body=None if isinstance(found.body, Oversized) else found.body,
        index=found.place,
        is_public=taken.source.is_public,
    )


def _details(problems: Sequence[Problem]) -> tuple[tuple[str, str, str], ...]:
    return tuple((problem.path, problem.code, problem.message) for problem in problems)
