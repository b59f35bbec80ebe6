"""The segment that is written: the only place that changes a log's files."""

from postroad.clock import MICROSECONDS
from postroad.errors import StoreUnavailable
from postroad.log.base import offset_of
from postroad.log.embedded.options import LogOptions
from postroad.log.embedded.segments import SegmentFile
from postroad.log.embedded.tables import Meta, Opened, Tail, create_tables, read_meta, read_tail
from postroad.storage.files import Connect, checkpoint, sync_folder

_BUSY = 250  # milliseconds that a checkpoint waits for readers; callers wait as long


class ActiveSegment:
    """An open segment. `tail` is where the log ends. Methods raise `sqlite3.Error` and `OSError`, and
    after one that did, the segment must be opened again: its figures may be wrong.
    """

    def __init__(self, segment: SegmentFile, connect: Connect, previous: Tail, meta: Meta) -> None:
        """Open a segment, or make it: then it goes on where `previous` ended, and is what `meta` says."""
        self.segment = segment
        self._db = connect(segment.path)
        try:
            self._db.execute(f"PRAGMA busy_timeout = {_BUSY}")
            self._db.execute("PRAGMA cell_size_check = ON")  # a page that rotted must not be written to
            found = read_meta(self._db, segment.path)
            if found is None:
                create_tables(self._db, previous, meta)
                sync_folder(segment.path.parent)
            self._settle()
            self.meta = found or meta
            opened = Opened(segment, self._db, self.meta)
            self.tail = previous._replace(following=segment.first, last=-1) if found is None else read_tail(opened)
            (last,) = self._db.execute("SELECT max(number) FROM block").fetchone()
            self.is_whole: bool = self.tail.following == (segment.first if last is None else last + 1)
            """Whether the last block's row is what was written: nothing may be added behind one that is not."""
            pages, page = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            self._size: int = pages * page
        except BaseException:
            self._db.close()
            raise

    def store(
        self,
        number: int,
        at: int,
        ticks: int,
        *,
        count: int,
        duplicates: int,
        others: int,
        which: bytes,
        hashes: bytes,
        body: bytes,
    ) -> None:
        """Add a block of `count` records, `others` of them of the second window (`which` says which), and count the
        repeated entries of its group; durable on return.
        """
        tail = self.tail
        after = Tail(
            following=number + 1,
            appended=tail.appended + count,
            duplicates=tail.duplicates + duplicates,
            last=offset_of(number, count - 1),
            last_at=at,
            ticks=ticks,
            others=tail.others + others,
        )
        # One statement, and so one transaction, one fsync, and one turn without the interpreter's lock.
        self._db.execute(
            "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, at, ticks, count, after.appended, after.duplicates, after.others, which, hashes, body),
        )
        self._size += len(hashes) + len(body)
        self.tail = after

    def count_duplicates(self, duplicates: int) -> None:
        """Count the entries of a group that had nothing new; durable on return."""
        total = self.tail.duplicates + duplicates
        self._db.execute("UPDATE meta SET value = ? WHERE key = 'duplicates'", (total,))
        self.tail = self.tail._replace(duplicates=total)

    def is_full(self, options: LogOptions, ticks: int) -> bool:
        """Tell whether the next block belongs into a new segment."""
        if self.tail.last < 0:
            return False
        return self._size >= options.segment_bytes or ticks - self.meta.ticks >= options.segment_age * MICROSECONDS

    def seal(self) -> None:
        """Move everything into the file itself, unless a reader is in the way, and close it."""
        try:
            self._move_wal()
        finally:
            self._db.close()

    def close(self) -> None:
        """Close the file; what was stored is durable already."""
        self._db.close()

    def _settle(self) -> None:
        """Leave one truth, on disk, before anyone is told of it: what is found in the write-ahead log may
        never have been fsynced, and a commit that failed may still lie behind its end.
        """
        if not self._move_wal():
            raise StoreUnavailable(f"{self.segment.path}: a reader keeps the file busy")

    def _move_wal(self) -> bool:
        return checkpoint(self._db)
