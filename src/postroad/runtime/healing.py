"""Looking after stores that can't be used: tried again every second, and said once."""

from typing import Final, Protocol

import structlog

from postroad.clock import Clock

_EVERY: Final = 1.0


class Healing(Protocol):
    """A store that may be unusable for a while."""

    @property
    def trouble(self) -> str:
        """Why it can't be used; empty when it can, as far as is known."""
        ...

    async def check(self) -> bool:
        """Find out whether it can be used now, opening it again if need be."""
        ...


async def heal(region: str, name: str, store: Healing, clock: Clock) -> None:
    """Try again, for ever, a store that can't be used. The log has one line when that begins and one when it ends.

    `name` is what people call the store.
    """
    logger = structlog.get_logger("postroad.stores").bind(region=region, store=name)
    told = False
    while True:
        if store.trouble and not told:
            logger.error("a store can't be used; what needs it waits, and it is tried every second", why=store.trouble)
            told = True
        if store.trouble:
            await store.check()
        if told and not store.trouble:
            logger.info("the store can be used again")
            told = False
        await clock.sleep(_EVERY)
