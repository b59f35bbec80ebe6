"""What an account has to do next: retries that are due, and the records after its cursor."""

from postroad.delivery.alarm import Alarm
from postroad.delivery.backlog import Backlog
from postroad.delivery.items import Item
from postroad.delivery.retries import Retries


class Feed:
    """Hands out the items of one account, one at a time. Retries and new records take turns."""

    def __init__(self, retries: Retries, backlog: Backlog, alarm: Alarm) -> None:
        self._retries = retries
        self._backlog = backlog
        self._alarm = alarm
        self._was_new = False

    async def next(self) -> Item:
        """Return the next item, waiting for one if there is none.

        Raises `StoreError` when the log or the ledger can't be read; call it again later.
        """
        while True:
            self._alarm.listen()
            await self._retries.read()
            await self._backlog.read()
            item = self._pick()
            if item is not None:
                return item
            await self._alarm.wait()

    def look_again(self) -> None:
        """Ask the ledger for due retries now."""
        self._alarm.set(0)

    def close(self) -> None:
        """Stop watching the log."""
        self._backlog.close()

    def _pick(self) -> Item | None:
        due, new = self._retries.items, self._backlog.items
        self._was_new = bool(new) and not (due and self._was_new)
        if self._was_new:
            return new.popleft()
        return due.popleft() if due else None
