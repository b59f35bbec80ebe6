"""The disk floor: the log stops before the disk is full, so that delivery can still record what it settles."""

from collections.abc import Callable
from pathlib import Path

from postroad.clock import Clock
from postroad.errors import StoreUnavailable
from postroad.log.embedded.options import MIB

_SECONDS = 1.0
_BYTES = 16 * MIB


class DiskFloor:
    """Looks at the disk of `folder` once a second or every 16 MiB, and before every group while it is `low`."""

    def __init__(self, folder: Path, floor: int, clock: Clock, free: Callable[[Path], int]) -> None:
        self.low = False
        self._folder = folder
        self._floor = floor
        self._clock = clock
        self._free = free
        self._due_at = clock.monotonic()
        self._written = 0

    def wrote(self, size: int) -> None:
        """Count bytes that were written."""
        self._written += size

    def check(self) -> None:
        """Raise `StoreUnavailable` when the disk has fewer free bytes than the floor."""
        now = self._clock.monotonic()
        if not self.low and now < self._due_at and self._written < _BYTES:
            return
        self._due_at = now + _SECONDS
        self._written = 0
        try:
            free = self._free(self._folder)
        except OSError as error:
            self.low = True
            raise StoreUnavailable(f"{self._folder}: {error.strerror}") from error
        self.low = free < self._floor
        if self.low:
            raise StoreUnavailable(
                f"{self._folder}: the disk has {free // MIB} MiB left, the floor is {self._floor // MIB} MiB; free some"
            )
