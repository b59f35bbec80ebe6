"""`/api/rejections`: what could not become an event, listed, shown and retried."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from postroad.admin.asking import MOST, as_response, read_query, read_time, tell
from postroad.operations.rejected import rejection_entry, rejection_story
from postroad.rejections import RejectionsReader
from postroad.web.answers import Answer

Ask = Callable[[bytes], Awaitable[Answer]]
"""Asks the ingest process, which alone can store an event, to retry; see `postroad.ingest.retry`."""


class RejectionsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a region's list is narrowed by. `before` is the `next` of the list before."""

    region: str
    source: str | None = None
    code: str | None = None
    since: str | None = None
    before: int | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 100


class RejectionsApi:
    """The endpoints."""

    def __init__(self, regions: Mapping[str, RejectionsReader], ask: Ask) -> None:
        self._regions = regions
        self._ask = ask

    async def list(self, request: Request) -> Response:
        """Tell a region's rejections without their bodies, the newest first."""
        asked = read_query(request, RejectionsQuery)
        found = await self._region(asked.region).newest(
            source=asked.source,
            code=asked.code,
            since=read_time("since", asked.since),
            before=asked.before,
            limit=asked.limit,
        )
        more = found[-1].id if len(found) == asked.limit else None
        return tell({"rejections": [rejection_entry(asked.region, entry) for entry in found], "next": more})

    async def show(self, request: Request) -> Response:
        """Tell one rejection with its reasons and its body."""
        name, number = request.path_params["region"], request.path_params["id"]
        found = await self._region(name).get(number)
        if found is None:
            raise HTTPException(404, f"there is no rejection {name}/{number}: it never was, or was evicted")
        return tell(rejection_story(name, found))

    async def retry(self, request: Request) -> Response:
        """Let the ingest process take rejections as if they came now."""
        return as_response(await self._ask(await request.body()))

    def _region(self, name: str) -> RejectionsReader:
        region = self._regions.get(name)
        if region is None:
            raise HTTPException(400, f"there is no region {name!r}")
        return region
