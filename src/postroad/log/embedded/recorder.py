"""Keeps `ends.json` up to date: what is written there is never ahead of what is durable."""

import threading
from pathlib import Path
from typing import Final

import structlog

from postroad.clock import Clock
from postroad.log.base import Ends
from postroad.log.embedded.active import ActiveSegment
from postroad.log.embedded.ends import files_of, write_ends
from postroad.log.embedded.own_time import OwnTime

_AT_LEAST_EVERY: Final = 60.0


class EndsRecorder:
    """Writes where a log begins and ends. Its methods may be called from any thread."""

    def __init__(self, folder: Path, clock: Clock, time: OwnTime) -> None:
        self._folder = folder
        self._clock = clock
        self._time = time
        self._lock = threading.Lock()
        self._active: ActiveSegment | None = None
        self._first = 0
        self._retired = 0
        self._doubtful = 0
        self._written: tuple[object, ...] | None = None
        self._written_at = 0.0

    def follow(self, active: ActiveSegment) -> None:
        """Write from now on what is true of this segment, as it was last when it has been closed."""
        self._active = active

    def begin_at(self, first: int, retired: int) -> int:
        """Note that retention keeps from block `first` on, before which the log had got `retired` records. Returns how
        many more these are.
        """
        more = retired - self._retired
        self._first, self._retired = first, retired
        return more

    def doubt(self, below: int) -> None:
        """Note that below this block events may be missing that nobody knows of, since nothing was written down."""
        if below > self._doubtful:
            structlog.get_logger("postroad.log").error(
                "what was written down of the log's ends is gone: whether events were cut off can't be known",
                files=[str(path) for path in files_of(self._folder)],
                below_block=below,
            )
        self._doubtful = max(self._doubtful, below)

    def write(self, *, only_news: bool = False) -> None:
        """Write down what is true now; with `only_news` when it has changed, or a minute has passed. Durable on
        return. Raises `StoreUnavailable`.
        """
        with self._lock:
            active = self._active
            if active is None:
                return
            tail, meta = active.tail, active.meta  # the tail is set once its block is durable
            news = (meta.epoch, self._first, self._retired, tail)
            now = self._clock.monotonic()
            if only_news and news == self._written and now < self._written_at + _AT_LEAST_EVERY:
                return
            ends = Ends(
                identity=meta.identity,
                epoch=meta.epoch,
                first=self._first,
                retired=self._retired,
                following=tail.following,
                appended=tail.appended,
                duplicates=tail.duplicates,
                ticks=max(self._time.now(), tail.ticks),
                at=self._clock.now(),
                doubtful=self._doubtful,
            )
            write_ends(self._folder, ends)
            self._written, self._written_at = news, now
