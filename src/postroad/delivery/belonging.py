"""That a ledger is the one of the log that it stands beside: offsets of another log mean nothing in it."""

from typing import Final

import structlog

from postroad.clock import Clock
from postroad.errors import StoreError
from postroad.ledger.base import Ledger
from postroad.log.base import LogReader

LOOK_EVERY: Final = 10.0
"""Seconds. A new log gets its identity with its first segment, another epoch whenever it was found to lack its end."""


async def belong(log: LogReader, ledger: Ledger) -> None:
    """Bind the ledger to the log, once that says who it is. Raises `StoreError`, with the remedy, when it belongs to
    another.
    """
    found = await log.identity()
    if found is not None and found != await ledger.identity():
        await ledger.adopt(*found)


async def keep_belonging(log: LogReader, ledger: Ledger, clock: Clock) -> None:
    """Do so again, for ever, as the log's identity or epoch becomes known."""
    logger = structlog.get_logger("postroad.delivery")
    while True:
        await clock.sleep(LOOK_EVERY)
        try:
            await belong(log, ledger)
        except StoreError as error:
            logger.warning("the ledger can't note which log it belongs to", reason=str(error))
