"""How far back one dedup window reaches. All times are the log's own (ticks) but for `SegmentHead.at`."""

from collections import deque

from postroad.log.embedded.tables import SegmentHead

_SAMPLES = 1024  # how fine the extent is known


class Extent:
    """The last `ids` keys of one window, or those of the last `age` microseconds, whichever is less.

    `appended` is how many keys the window was ever given, and `before` of a `SegmentHead` how many of them before that
    block. For one thread at a time; only `told` may be called from another one.
    """

    def __init__(self, ids: int, age: int) -> None:
        self._ids = ids
        self._age = age
        self._samples: deque[SegmentHead] = deque()
        self.appended = 0

    def holds(self, before: int, ticks: int, now: int) -> bool:
        """Tell whether a key that was given after `before` others, at `ticks`, is inside now."""
        return before >= self.appended - self._ids and ticks >= now - self._age

    def note(self, head: SegmentHead, count: int) -> None:
        """Count a block in, and keep a sample of it unless the last one is close."""
        last = self._samples[-1] if self._samples else None
        if (
            last is None
            or head.before - last.before >= self._ids // _SAMPLES
            or head.ticks - last.ticks >= self._age // _SAMPLES
        ):
            self._samples.append(head)
        self.appended = head.before + count
        while len(self._samples) > 1 and not self._holds(self._samples[0], head.ticks):
            self._samples.popleft()

    def forget_before(self, head: SegmentHead) -> None:
        """Take note that the log begins with this block now."""
        while self._samples and self._samples[0].number <= head.number:
            self._samples.popleft()
        if head.before < self.appended:
            self._samples.appendleft(head)

    def told(self, now: int) -> tuple[int, int | None]:
        """Return how many keys are inside, and when the oldest of them came (wall clock); a thousandth too few at
        most.
        """
        appended = self.appended
        for sample in tuple(self._samples):
            if self._holds(sample, now):
                return appended - sample.before, sample.at
        return 0, None

    def _holds(self, sample: SegmentHead, now: int) -> bool:
        return self.holds(sample.before, sample.ticks, now)
