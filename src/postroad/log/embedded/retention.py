"""Which segments retention may remove, and their removal."""

from pathlib import Path
from typing import NamedTuple

from postroad.log.base import offset_of
from postroad.log.embedded.blocks import BlockFiles
from postroad.log.embedded.segments import SegmentFile, failures_of, remove_segment
from postroad.log.embedded.tables import Opened, SegmentHead, Tail, read_head, read_tail
from postroad.storage.files import sync_folder


class Going(NamedTuple):
    """Segments to remove. From block `first` on the log is kept, `retired` records came before it; `head` is the first
    block that can be read then.
    """

    segments: list[SegmentFile]
    first: int
    retired: int
    head: SegmentHead | None

    def remove(self, folder: Path) -> None:
        """Remove them, the oldest first, durably. Raises `StoreUnavailable`."""
        for segment in self.segments:
            with failures_of(segment.path):
                remove_segment(segment)
        with failures_of(folder):
            sync_folder(folder)


def retire_segments(files: BlockFiles, before: int, oldest: int) -> Going | None:
    """Return the segments, from the first on, whose offsets are all below `before` and whose newest record is older
    than `oldest` in the log's own time; None when there are none. The newest segment stays, and one that can't be
    read goes by what the next one that can says of its beginning. Raises `StoreUnavailable`.
    """
    segments: list[SegmentFile] = []
    going: Going | None = None
    for segment in files.segments:
        opened = files.open(segment)
        if opened is not None and segments:
            tail = _tail(files, segments[-1], opened)
            if tail.last >= before or tail.ticks >= oldest:
                break
            going = Going(list(segments), segment.first, opened.meta.appended, read_head(opened))
        segments.append(segment)
    return going


def _tail(files: BlockFiles, segment: SegmentFile, following: Opened) -> Tail:
    """Return where a segment ends, or bounds of it when that can't be read: the next one says when it began."""
    opened = files.open(segment)
    if opened is not None:
        tail = read_tail(opened)
        if tail.appended == following.meta.appended:
            return tail
    end = offset_of(following.segment.first, 0)
    return Tail(following.segment.first, following.meta.appended, 0, end - 1, 0, following.meta.ticks)
