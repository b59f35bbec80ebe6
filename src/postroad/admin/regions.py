"""The regions of the admin address: what each keeps, and who delivers it."""

from collections.abc import Mapping
from typing import NamedTuple

from starlette.exceptions import HTTPException

from postroad.delivery.engine import Engine
from postroad.ledger.base import Ledger
from postroad.regions import Region


class DeliveredRegion(NamedTuple):
    """One region in the process that delivers it: to be read, its ledger to be written, and who has to be told."""

    region: Region
    ledger: Ledger
    engine: Engine


def region_named(regions: Mapping[str, DeliveredRegion], name: str) -> DeliveredRegion:
    """Return the region of this name. Raises a 400 when there is none."""
    region = regions.get(name)
    if region is None:
        raise HTTPException(400, f"there is no region {name!r}")
    return region
