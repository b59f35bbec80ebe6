"""`/api/destinations`: who is owed events, and giving up what a destination is owed that is gone for good."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from postroad.admin.asking import tell
from postroad.admin.regions import DeliveredRegion, region_named
from postroad.operations.destinations import destinations


class DestinationsApi:
    """The endpoints."""

    def __init__(self, regions: Mapping[str, DeliveredRegion]) -> None:
        self._regions = regions

    async def list(self, _request: Request) -> Response:
        """Tell every destination that is owed events: served, held, or abandoned and being written off."""
        found = [entry for delivered in self._regions.values() for entry in await destinations(delivered.region)]
        return tell({"destinations": found})

    async def abandon(self, request: Request) -> Response:
        """Give up what a held destination is owed; it is written off after the answer."""
        region = region_named(self._regions, request.path_params["region"])
        await region.engine.abandon(request.path_params["name"])
        return tell({})
