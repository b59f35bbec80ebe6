"""Events whose bytes the log can't give any more: written off as lost, and named in the server's log."""

from typing import Final

import structlog

from postroad.delivery.verdict import Verdict
from postroad.ledger.base import Account, Ledger, Outcome
from postroad.log.base import Block, LogReader, number_of

_ONE_BLOCK: Final = 1


class Losses:
    """Settles for one account what can't be read."""

    def __init__(self, account: Account, log: LogReader, ledger: Ledger) -> None:
        self._account = account
        self._log = log
        self._ledger = ledger
        self._met: set[tuple[int, int, int]] = set()
        self._logger = structlog.get_logger("postroad.delivery")

    async def meet(self, stretch: Block) -> None:
        """Write a stretch off as lost, as far as it is the account's and not written off yet. Raises `StoreError`."""
        place = (stretch.start, stretch.end, stretch.lost)
        if place in self._met:
            return
        gone = await self._ledger.lose(self._account.number, *place)
        self._met.add(place)
        if gone:
            self._logger.error(
                "events were lost: the log can't read them any more",
                destination=self._account.destination,
                account=self._account.number,
                blocks=f"{stretch.number} to {number_of(stretch.end) - 1}",
                events=gone,
            )

    async def verdict(self, offset: int) -> Verdict:
        """Return the verdict on a record that the log did not give: retention removed it, or it is lost."""
        if offset < await self._log.first():
            return Verdict(Outcome.EXPIRED)
        for block in await self._log.read(offset, _ONE_BLOCK):
            if block.lost and block.start <= offset:
                await self.meet(block)
        return Verdict(Outcome.LOST)
