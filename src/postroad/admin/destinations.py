"""`/api/destinations`: who is owed events, and giving up what a destination is owed that is gone for good."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from postroad.admin.asking import tell
from postroad.ledger.base import LedgerReader
from postroad.log.base import LogReader
from postroad.operations.destinations import destinations


class AbandoningEngine(Protocol):
    """Who delivers a region's events."""

    async def abandon(self, destination: str) -> None:
        """Give up what a held destination is owed. Raises `UsageError` for any other, and `StoreError`."""
        ...


class DestinationsRegion(NamedTuple):
    """Where one region's accounts are. `configured` are the ids of its destinations."""

    configured: Collection[str]
    log: LogReader
    ledger: LedgerReader
    announced: Callable[[], Mapping[str, int]]
    engine: AbandoningEngine


class DestinationsApi:
    """The endpoints."""

    def __init__(self, regions: Mapping[str, DestinationsRegion]) -> None:
        self._regions = regions

    async def list(self, _request: Request) -> Response:
        """Tell every destination that is owed events: served, held, or abandoned and being written off."""
        found = [
            entry
            for name, region in self._regions.items()
            for entry in await destinations(
                name, region.configured, region.log, region.ledger, announced=region.announced(), former_ids={}
            )
        ]
        return tell({"destinations": found})

    async def abandon(self, request: Request) -> Response:
        """Give up what a held destination is owed; it is written off after the answer."""
        region = self._regions.get(request.path_params["region"])
        if region is None:
            raise HTTPException(400, f"there is no region {request.path_params['region']!r}")
        await region.engine.abandon(request.path_params["name"])
        return tell({})
