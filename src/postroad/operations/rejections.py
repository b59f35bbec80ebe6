"""Rejections: which are meant, listed, shown, and what a retry asks and tells.

The retry itself is the ingest process's (`postroad.ingest.retry`): it alone can store an event.
"""

import re
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Annotated, Final

import msgspec

from postroad.operations.asking import LARGEST, MOST, Asked, Limit, Moment, NotThere, Number, Regions, chosen, flag
from postroad.regions import Region
from postroad.rejections import Rejection
from postroad.secret import MASK

_PAGE: Final = 500
# The body is kept whole for a retry; not everybody who looks at rejections needs the keys that clients put in it.
_WRITE_KEY: Final = re.compile(r'("writeKey"\s*:\s*")(?:[^"\\]|\\.)*')


class RejectionsFilter(Asked, frozen=True):
    """Which rejections of a region are meant: those that fit everything that is not None."""

    source: Annotated[str | None, flag("ID", 'Only of this source; "" for unknown keys.')] = None
    code: Annotated[str | None, flag("CODE", "Only with this main reason.")] = None
    since: Annotated[Moment | None, flag("TIME", "Only after: ISO 8601, or 1h for an hour ago.")] = None


class RejectionsQuery(RejectionsFilter, frozen=True, kw_only=True):
    """A page of a region's list. `before` is the `next` of the page before."""

    region: str
    before: Number | None = None
    limit: Limit = 100


class RejectionPlace(Asked, frozen=True):
    """Where a rejection is: ids are a region's own."""

    region: str
    id: Number


class RejectionsRetry(Asked, frozen=True):
    """Which rejections of which region to take as if they came now."""

    region: str
    ids: Annotated[list[Number], msgspec.Meta(max_length=MOST)]


class Reason(msgspec.Struct, frozen=True):
    """One thing that was wrong: a JSON path, a code and a sentence."""

    path: str
    code: str
    message: str


class RejectionEntry(msgspec.Struct, frozen=True):
    """A rejection in a list; `at` in microseconds, `kept` says whether its body was kept, so that it can be retried."""

    region: str
    id: int
    at: int
    source: str
    key_fingerprint: str
    path: str
    index: int | None
    code: str
    details: Sequence[Reason]
    size: int
    kept: bool


class RejectionStory(RejectionEntry, frozen=True):
    """A rejection with its body, None when it was not kept. Bytes that are no UTF-8 are escaped, write keys masked."""

    body: str | None


class RejectionsPage(msgspec.Struct, frozen=True):
    """A page of a list. `next` is where it goes on, None at its end."""

    rejections: Sequence[RejectionEntry]
    next: int | None


class Stays(msgspec.Struct, frozen=True):
    """A rejection that stays what it is, and why."""

    id: int
    reasons: Sequence[str]


class Retried(msgspec.Struct, frozen=True):
    """What became of the rejections that were named."""

    retried: Sequence[int]
    refused: Sequence[Stays]


async def rejections(
    region: Region, wanted: RejectionsFilter, *, before: int | None = None, most: int | None = None
) -> AsyncIterator[RejectionEntry]:
    """Yield those of a region that are meant, the newest first: only those with an id below `before`, and at most so
    many. Raises `StoreError`.
    """
    left = LARGEST if most is None else most
    read = partial(region.rejections.newest, source=wanted.source, code=wanted.code, since=wanted.since)
    while page := await read(before=before, limit=min(left, _PAGE)):
        for one in page:
            yield _entry(region.name, one)
        left -= len(page)
        before = page[-1].id


async def list_rejections(regions: Regions, asked: RejectionsQuery) -> RejectionsPage:
    """Return a page of those that are meant. Raises `UsageError` for a region that is not there, and `StoreError`."""
    region = chosen(regions, asked.region)[asked.region]
    found = [one async for one in rejections(region, asked, before=asked.before, most=asked.limit)]
    return RejectionsPage(found, found[-1].id if len(found) == asked.limit else None)


async def show_rejection(regions: Regions, place: RejectionPlace) -> RejectionStory:
    """Return one rejection. Raises `NotThere`, `UsageError` for a region that is not there, and `StoreError`."""
    found = await chosen(regions, place.region)[place.region].rejections.get(place.id)
    if found is None:
        raise NotThere(f"there is no rejection {place.region}/{place.id}: it never was, or was evicted")
    body = None if found.body is None else found.body.decode("utf-8", "backslashreplace")
    entry = msgspec.structs.asdict(_entry(place.region, found))
    return RejectionStory(**entry, body=None if body is None else _WRITE_KEY.sub(rf"\1{MASK}", body))


def _entry(region: str, rejection: Rejection) -> RejectionEntry:
    return RejectionEntry(
        region=region,
        id=rejection.id,
        at=rejection.at,
        source=rejection.source,
        key_fingerprint=rejection.key_fingerprint,
        path=rejection.path,
        index=rejection.index,
        code=rejection.code,
        details=[Reason(*detail) for detail in rejection.details],
        size=rejection.size,
        kept=rejection.body is not None,
    )
