"""The blocks of a log in order, and what is missing between them: the running totals are the truth.

Every block knows how many records the log had got before it. So between two blocks that can be read, before the first
one and behind the last one, the difference of totals is what can't be read, whatever became of it: damaged bytes,
rows or whole files that are gone, an end that was cut off and is numbered over.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from postroad.log.base import BLOCK_SPAN, Block, Ends
from postroad.log.embedded.blocks import BlockFiles, StoredBlock
from postroad.log.embedded.tables import NOTHING, Tail, last_row, read_head, read_tail

Tell = Callable[[Block, str], None]
"""Told of each lost stretch once, with a sentence that says why it can't be read."""

_TOLD = 10_000


def tell_nobody(_lost: Block, _why: str) -> None:
    """Let nobody know: whoever asked counts for itself."""


class Reached(NamedTuple):
    """A place between blocks: `number` is the lowest that a block behind it can have, `appended` how many records the
    log had got up to there.
    """

    number: int
    appended: int


class Stretches:
    """Looks at the files of one log. For one thread at a time; it raises what `BlockFiles` raises."""

    def __init__(self, files: BlockFiles, tell: Tell = tell_nobody) -> None:
        self._files = files
        self._tell = tell
        self._told: set[int] = set()

    def begin(self) -> Reached:
        """Return where the log begins, by what is written down of it, or else by its first segment."""
        ends = self._files.ends()
        for opened in self._files.opened():
            first = Reached(opened.segment.first, opened.meta.appended)
            # Where retention is under way the files may be ahead of what is written down, never the other way round.
            return first if ends is None or ends.retired > first.appended else Reached(ends.first, ends.retired)
        return Reached(ends.first, ends.retired) if ends is not None else Reached(0, 0)

    def end(self, ends: Ends | None) -> Tail:
        """Return where the log ends, what can't be read included. `ends` must have been read before the folder was:
        what it says is durable then.
        """
        tail = NOTHING
        newest = self._files.newest()
        if newest is not None:
            tail = read_tail(newest)
        if self._files.segments:
            tail = tail._replace(following=max(tail.following, self._files.segments[-1].first))
        if ends is None:
            return tail
        return tail._replace(
            following=max(tail.following, ends.following),
            appended=max(tail.appended, ends.appended),
            duplicates=max(tail.duplicates, ends.duplicates),
        )

    def reach(self) -> int:
        """Return the number behind the last block that `read` yields, a lost one included."""
        ends = self._files.ends()
        self._files.refresh()
        end = self.end(ends)
        for opened in self._files.opened_backwards():
            row = last_row(opened, "appended")
            if row is not None:
                return end.following if end.appended > row[1] else int(row[0]) + 1
        return end.following if end.appended > self.begin().appended else 0

    def first(self, end: int) -> int:
        """Return the number of the first block, or of the first one that is lost; `end` when there is none."""
        begin = self.begin()
        for opened in self._files.opened():
            head = read_head(opened)
            if head is not None:
                return head.number if head.before <= begin.appended else min(begin.number, head.number)
        return min(begin.number, end)

    def appended_before(self, number: int) -> int:
        """Return how many records the log had got up to the last block below `number`, as its row says."""
        for opened in self._files.opened_backwards(number):
            row = last_row(opened, "appended", number)
            return int(row[1]) if row is not None else opened.meta.appended
        return self.begin().appended

    def read(self, start: int) -> Iterator[StoredBlock]:
        """Yield the blocks from number `start` on, with what is missing between them as blocks that are lost."""
        ends = self._files.ends()
        self._files.refresh()
        end = self.end(ends)
        place: Reached | None = None
        for stored in self._files.blocks(start):
            number = stored.block.number
            if place is None and number > start:
                place = self._before(start)
            if place is not None and stored.before > place.appended:
                yield from self._between(place, number, stored.before, stored)
            yield stored
            place = Reached(number + 1, stored.appended)
        if end.following > (start if place is None else place.number):
            place = self._before(start) if place is None else place
            if end.appended > place.appended:
                yield from self._between(place, end.following, end.appended, None)

    def _before(self, number: int) -> Reached:
        """Return the place behind the last block below `number` that can be read."""
        stored = self._files.block_before(number)
        return self.begin() if stored is None else Reached(stored.block.number + 1, stored.appended)

    def _between(self, place: Reached, until: int, before: int, following: StoredBlock | None) -> Iterator[StoredBlock]:
        """Yield what is lost from `place` up to number `until`, up to which the log had got `before` records."""
        ends = self._files.ends()  # anew: retention writes it down before it removes anything
        if ends is not None and ends.first > place.number:
            place = Reached(ends.first, max(place.appended, ends.retired))
        # No more than fits: what a damaged row of format 1 says must not cry wolf.
        lost = min(before - place.appended, (until - place.number) * BLOCK_SPAN)
        if lost <= 0:
            return
        at, ticks = (following.block.appended_at, following.ticks) if following is not None else (0, 0)
        block = Block(place.number, at, (), lost, until)
        self._name(block)
        yield StoredBlock(block, place.appended, ticks, 0)

    def _name(self, lost: Block) -> None:
        """Tell of a lost stretch, once."""
        if lost.number in self._told or len(self._told) >= _TOLD:
            return
        self._told.add(lost.number)
        self._tell(lost, self._why(lost))

    def _why(self, lost: Block) -> str:
        until = lost.number if lost.until is None else lost.until
        found = [
            why for segment, why in self._files.broken.items() if segment in self._files.holding(lost.number, until)
        ]
        found += [why for number, why in self._files.damaged.items() if lost.number <= number < until]
        if not found:
            return f"{self._files.folder}: blocks {lost.number} to {until - 1} are gone"
        return found[0] if len(found) == 1 else f"{found[0]} (and {len(found) - 1} more)"
