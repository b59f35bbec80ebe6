"""Where a writer goes on: in the newest segment if it can, else in a new one, above every number that anybody knows.

A log can be found behind what was known of it: its last blocks were cut off, or its newest segment can't be read. Who
has read them has their numbers, so they are not used again. The new segment's totals go on from the highest that was
known: the difference is what readers are told is lost.
"""

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import structlog

from postroad.errors import StoreDamaged
from postroad.log.base import BLOCK_SPAN, MARGIN, Ends
from postroad.log.embedded.active import ActiveSegment
from postroad.log.embedded.blocks import BlockFiles
from postroad.log.embedded.digests import SECRET_BYTES
from postroad.log.embedded.own_time import last_mark
from postroad.log.embedded.segments import SegmentFile, failures_of, segment_at, set_aside, size_of
from postroad.log.embedded.tables import FORMAT, NOTHING, Meta, Tail, read_tail
from postroad.storage.files import Connect

_IDENTITY_BYTES = 16
_SMALLEST_ROW = 64  # bytes of a block on disk, at least: bounds how many an unreadable file may have

OwnNow = Callable[[int, int], int]
"""Tells the log's own time, given what it was last and at which wall time; see `own_time`."""


class _Known(NamedTuple):
    """What is known of a log before its newest segment is opened for writing: `older` is where the segments below that
    one end, `tail` where all end that can be read.
    """

    ends: Ends | None
    older: Tail
    tail: Tail
    meta: Meta | None

    @property
    def mark(self) -> tuple[int, int] | None:
        """The log's own time as it was last written down, and the wall clock's of that moment."""
        if self.meta is None:
            return None if self.ends is None else (self.ends.ticks, self.ends.at)
        return last_mark(self.tail._replace(last_at=self.tail.last_at or self.meta.created_at), self.ends)


def open_active(
    files: BlockFiles, connect: Connect, now: int, own_now: OwnNow, *, known_end: int, distrusted: SegmentFile | None
) -> ActiveSegment:
    """Open the segment that the next block goes to; `files` is fresh, and is refreshed when one was made.

    `now` is the wall clock's time, `known_end` an offset above all that the log's users know, `distrusted` a segment
    that could be opened but not written. Raises `StoreUnavailable`, `StoreVersion`, `sqlite3.Error`, `OSError`.
    """
    newest = files.segments[-1] if files.segments else None
    known = _known(files, newest)
    top = max(known.ends.following if known.ends else 0, -(-known_end // BLOCK_SPAN))
    meta = _meta_after(known, now, own_now)
    active, why = None, ""
    if newest is not None:
        try:
            with failures_of(newest.path):
                active = ActiveSegment(newest, connect, known.older, meta)
        except StoreDamaged as error:
            why = str(error)
    if active is not None:
        tail = active.tail
        if newest == distrusted or not active.is_whole:
            why = f"{active.segment.path}: its end is damaged"
        elif tail.following < top:
            why = f"{files.folder}: the log ends with block {tail.following - 1}; it was known up to {top - 1}"
        elif active.meta.format == FORMAT:
            return active
        with suppress(sqlite3.Error):
            active.seal()
        known = known._replace(tail=tail)
    elif newest is None and top:
        why = f"{files.folder}: the log is gone; it was known up to block {top - 1}"
    active = _begin(files, connect, newest, known, meta, top=top, why=why)
    files.refresh()
    if newest is not None and why and files.open(newest) is None:
        with failures_of(newest.path):
            set_aside(newest)
        files.refresh()
    return active


def _known(files: BlockFiles, newest: SegmentFile | None) -> _Known:
    """Gather what is known, from the segments that can be read and from what is written down."""
    older, tail, meta = NOTHING, NOTHING, None
    for opened in files.opened_backwards():
        if meta is None or not meta.identity:
            meta = opened.meta
        if tail is NOTHING:
            tail = read_tail(opened)
        if opened.segment != newest:
            older = read_tail(opened) if older is NOTHING else older
            if meta.identity:
                break
    return _Known(files.ends(), older, tail, meta)


def _meta_after(known: _Known, now: int, own_now: OwnNow) -> Meta:
    """Return what a segment that is begun now says of itself."""
    ends, meta = known.ends, known.meta
    identity = (meta.identity if meta is not None else "") or (ends.identity if ends is not None else "")
    epoch = max(meta.epoch if meta is not None else 0, ends.epoch if ends is not None else 0)
    return Meta(
        format=FORMAT,
        appended=0,
        duplicates=0,
        last_at=0,
        created_at=now,
        ticks=own_now(*(known.mark or (now, now))),
        identity=identity or secrets.token_hex(_IDENTITY_BYTES),
        epoch=max(1, epoch),
        secret=(meta.secret if meta is not None else b"") or secrets.token_bytes(SECRET_BYTES),
    )


def _begin(
    files: BlockFiles, connect: Connect, newest: SegmentFile | None, known: _Known, meta: Meta, *, top: int, why: str
) -> ActiveSegment:
    """Begin a segment above all numbers that are known; in a new epoch, and with a margin, when `why` says so."""
    tail, ends = known.tail, known.ends
    number = tail.following if newest is None else max(tail.following, newest.first + 1)
    if why:
        may_hold = newest.first + size_of(newest) // _SMALLEST_ROW if newest is not None else 0
        number = max(number, top, may_hold) + MARGIN
        has_name = ends is not None or (known.meta is not None and bool(known.meta.identity))
        meta = meta._replace(epoch=meta.epoch + has_name)
    appended = max(tail.appended, ends.appended) if ends is not None else tail.appended
    duplicates = max(tail.duplicates, ends.duplicates) if ends is not None else tail.duplicates
    previous = tail._replace(appended=appended, duplicates=duplicates, ticks=max(tail.ticks, meta.ticks))
    segment = segment_at(files.folder, number)
    with failures_of(segment.path):
        active = ActiveSegment(segment, connect, previous, meta)
    if why:
        structlog.get_logger("postroad.log").error(
            "the log's end is damaged or gone; it goes on above, and what is missing counts as lost",
            reason=why,
            events=appended - tail.appended if ends is not None else "unknown",
            epoch=meta.epoch,
            block=number,
        )
    return active
