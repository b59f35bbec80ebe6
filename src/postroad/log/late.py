"""A region's log that may be opened late: what keeps it closed is that region's trouble alone."""

from collections.abc import Awaitable, Callable, Sequence

from postroad.errors import StoreError, StoreLocked, StoreUnavailable, StoreVersion
from postroad.log.base import WINDOWS, Entry, Log, Receipt, Window

Opening = Callable[[], Awaitable[Log]]


class LateLog:
    """A `Log` that refuses everything until it could be opened and the starting offsets be written.

    Both are tried by `open`, and again by every `check`. `trouble` is why it can't be used; empty when it can.
    """

    def __init__(self, make: Opening, write_starting_offsets: Callable[[], Awaitable[None]]) -> None:
        """`make` opens the log, `write_starting_offsets` says which destinations are owed what comes from now on.

        Both raise `StoreError` or `OSError`.
        """
        self._make = make
        self._write_starting_offsets = write_starting_offsets
        self._log: Log | None = None
        self._ready = False
        self._trouble = "the log has not been opened yet"

    async def open(self) -> None:
        """Try for the first time. Raises only what trying again can't cure: `StoreLocked` and `StoreVersion`."""
        try:
            await self._try()
        except (StoreLocked, StoreVersion):
            await self.close()
            raise
        except (StoreError, OSError) as error:
            self._trouble = str(error)

    async def append(self, entries: Sequence[Entry], window: int = 0) -> Receipt:
        """See `Log.append`."""
        if self._log is None or not self._ready:
            raise StoreUnavailable(self._trouble)
        return await self._log.append(entries, window)

    async def check(self) -> bool:
        """See `Log.check`. Raises `StoreLocked` when another process has become the writer meanwhile."""
        if self._log is not None and self._ready:
            return await self._log.check()
        try:
            await self._try()
        except StoreLocked:
            raise
        except (StoreError, OSError) as error:
            self._trouble = str(error)
        return self.healthy

    async def retire(self, before: int, age: float) -> int:
        """See `Log.retire`."""
        if self._log is None:
            raise StoreUnavailable(self._trouble)
        return await self._log.retire(before, age)

    async def record_end(self) -> None:
        """See `Log.record_end`. Nothing is written down while the log isn't open."""
        if self._log is not None:
            await self._log.record_end()

    @property
    def trouble(self) -> str:
        """Why nothing can be appended now; empty when it can."""
        if self._log is None or not self._ready:
            return self._trouble
        return "" if self._log.healthy else "the log can't be written now"

    @property
    def queued(self) -> int:
        """See `Log.queued`."""
        return 0 if self._log is None else self._log.queued

    @property
    def full(self) -> bool:
        """See `Log.full`."""
        return self._log is not None and self._log.full

    @property
    def windows(self) -> Sequence[Window]:
        """See `Log.windows`."""
        return [Window(0, None)] * WINDOWS if self._log is None else self._log.windows

    @property
    def healthy(self) -> bool:
        """See `Log.healthy`."""
        return self._log is not None and self._ready and self._log.healthy

    async def close(self) -> None:
        """See `Log.close`."""
        self._ready = False
        log, self._log = self._log, None
        if log is not None:
            await log.close()

    async def _try(self) -> None:
        if self._log is None:
            self._log = await self._make()
        await self._log.append(())  # stores nothing: it is what `check` does, and says why it can't
        await self._write_starting_offsets()
        self._ready = True
