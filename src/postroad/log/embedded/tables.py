"""What is inside a segment: its tables, and the questions that are asked of its rows.

Table `block` has a row a group commit. Its counters are totals of the whole log up to and with that block, and `meta`
has what they were when the segment was begun, so whatever goes (older segments by retention, anything by damage) is
known by the difference. A row is trusted here only where it fits itself; the bytes of its body say what is true.

Format 1 has no identity, no secret, no ticks (the wall clock never went back in it: `appended_at` are its ticks), no
index on `appended_at`, and hashes without a key. In format 2 everything is of the first window. Both are read and
retired as they are, and never written.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from postroad.errors import StoreDamaged, StoreVersion
from postroad.log.base import offset_of
from postroad.log.embedded.segments import SegmentFile, failures_of

KIND = "log"
FORMAT = 3

PROBES: Final = 1 << 14
"""How many numbers in a row are tried before the rest of a segment is given up: more than one bad page can hold."""
_AT_ONCE = 64
_HASH_BYTES = 8
_BEYOND = 1 << 62

Column = Literal["appended", "appended - others", "others", "appended_at", "ticks"]
"""What only grows from block to block, so that it can be searched."""

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    """CREATE TABLE block (
        number INTEGER PRIMARY KEY,
        appended_at INTEGER NOT NULL, -- microseconds of the wall clock, which may go back
        ticks INTEGER NOT NULL,       -- microseconds of the log's own time, which does not
        count INTEGER NOT NULL,       -- records of this block
        appended INTEGER NOT NULL,    -- records of the log up to and with this block
        duplicates INTEGER NOT NULL,  -- repeated entries that were answered, up to and with this block
        others INTEGER NOT NULL,      -- records of the second window, up to and with this block
        which BLOB NOT NULL,          -- which of this block's those are, see which.py
        hashes BLOB NOT NULL,         -- 8 bytes a record, little-endian: the keyed hash of its key
        body BLOB NOT NULL            -- see codec.py
    )""",
    "CREATE INDEX block_at ON block (appended_at)",
    "CREATE INDEX block_others ON block (number) WHERE which != x''",  # where those are, among many that have none
)


class Meta(NamedTuple):
    """What a segment says of itself: the log's totals when it was begun, and whose it is.

    `identity` is hex, empty for format 1; `secret` 16 bytes, or none; `created_at` is the wall clock's and `ticks` the
    log's own time of its beginning, `last_at` when the block before it was appended. `others` are the records of the
    second window.
    """

    format: int
    appended: int
    duplicates: int
    last_at: int
    created_at: int
    ticks: int
    identity: str = ""
    epoch: int = 0
    secret: bytes = b""
    others: int = 0

    @property
    def owner(self) -> bytes:
        """What the stamps of this segment's blocks begin with."""
        return owner_of(self.identity)

    @property
    def ticks_column(self) -> str:
        """The column of `block` with the log's own time."""
        return "ticks" if self.format > 1 else "appended_at"

    @property
    def others_column(self) -> str:
        """The column of `block` that says how many records of the second window the log had got with it."""
        return "others" if self.format > 2 else "0"  # noqa: PLR2004 - the last format without

    @property
    def which_column(self) -> str:
        """The column of `block` that says which of its records are of the second window."""
        return "which" if self.format > 2 else "x''"  # noqa: PLR2004 - the last format without


class Tail(NamedTuple):
    """Where the log ended when this was the newest segment.

    `following` is the number after the last block's. `last` is the offset of the last record, -1 when the
    segment has none; `last_at` is when it was appended, or the same of the segment before; `ticks` the own time;
    `others` how many records were of the second window.
    """

    following: int
    appended: int
    duplicates: int
    last: int
    last_at: int
    ticks: int
    others: int = 0


NOTHING = Tail(following=0, appended=0, duplicates=0, last=-1, last_at=0, ticks=0)


class SegmentHead(NamedTuple):
    """The first block of a segment: its number, how many records the log had got before it, when it came, and the
    log's own time of that; `others` of those records were of the second window.
    """

    number: int
    before: int
    at: int
    ticks: int
    others: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A segment with a connection to it. `holes` are the numbers, from the first up to the second, at which no block
    could be looked for, as far as that was found out.
    """

    segment: SegmentFile
    db: sqlite3.Connection
    meta: Meta
    holes: list[tuple[int, int]] = field(default_factory=list)


def owner_of(identity: str) -> bytes:
    """Return the part of an identity that is in every block."""
    return bytes.fromhex(identity)[:8]


def create_tables(db: sqlite3.Connection, tail: Tail, meta: Meta) -> None:
    """Make an empty file a segment that goes on where `tail` ended; whole or not at all."""
    said = meta._replace(appended=tail.appended, duplicates=tail.duplicates, last_at=tail.last_at)
    said = said._replace(others=tail.others)
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in _SCHEMA:
            db.execute(statement)
        db.executemany("INSERT INTO meta VALUES (?, ?)", {"kind": KIND, **said._asdict(), "format": FORMAT}.items())
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def read_meta(db: sqlite3.Connection, path: Path) -> Meta | None:
    """Return what a segment says of itself, None for one that was only begun.

    Raises `StoreVersion` when it is newer, `StoreDamaged` when it is no segment, or one whose `meta` can't be read.
    """
    with failures_of(path):
        if not db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' LIMIT 1").fetchone():
            return None
        said = {str(key): value for key, value in db.execute("SELECT key, value FROM meta")}
    if said.pop("kind", None) != KIND:
        raise StoreDamaged(f"{path}: is not a Postroad {KIND} file")
    found = said.get("format")
    if isinstance(found, int) and found > FORMAT:
        raise StoreVersion(f"{path}: has format {found}, this Postroad knows up to {FORMAT}; upgrade Postroad")
    said.setdefault("ticks", said.get("last_at"))
    try:
        meta = Meta(**said)
        meta.owner  # noqa: B018 - raises what a damaged identity raises
    except (TypeError, ValueError) as error:
        raise StoreDamaged(f"{path}: its meta table is damaged: {error}") from error
    if not all(isinstance(figure, int) for figure in (*meta[:6], meta.epoch, meta.others)) or not isinstance(
        meta.secret, bytes
    ):
        raise StoreDamaged(f"{path}: its meta table is damaged")
    return meta


def guess_meta(db: sqlite3.Connection, path: Path, near: Meta | None) -> Meta:
    """Return what a segment may have said of itself whose `meta` can't be read; `near` is another one of its log.

    Raises `StoreDamaged` when it has no blocks either.
    """
    with failures_of(path):
        columns = {row[1] for row in db.execute("PRAGMA table_info(block)")}
    if "body" not in columns:
        raise StoreDamaged(f"{path}: its tables can't be read")
    form = 1 + ("ticks" in columns) + ("others" in columns)
    known = near._replace(format=form) if form > 1 and near is not None else Meta(form, 0, 0, 0, 0, 0)
    sought = f"appended - count, appended_at, {known.ticks_column}, {known.others_column}"
    head = next(rows(Opened(SegmentFile(0, path), db, known), sought), None)
    if head is None or not all(isinstance(figure, int) for figure in head):
        raise StoreDamaged(f"{path}: its tables can't be read")
    _, before, at, ticks, others = head
    return known._replace(appended=before, duplicates=0, last_at=at, created_at=at, ticks=ticks, others=others)


def rows(
    opened: Opened, columns: str, start: int = 0, at_once: int = _AT_ONCE, where: str = "number >= ?"
) -> Iterator[Sequence[Any]]:
    """Yield the number and `columns` of the blocks from `start` on, around what can't be read; nothing is held open
    between two of them. `where` may narrow them, and has a place for `start`. Raises `StoreUnavailable`.
    """
    query = f"SELECT number, {columns} FROM block WHERE {where} ORDER BY number LIMIT ?"  # noqa: S608 - our own
    size = at_once
    while start < _BEYOND:
        try:
            with failures_of(opened.segment.path):
                found = opened.db.execute(query, (start, size)).fetchall()
        except StoreDamaged:
            if size == 1:
                start = _over_a_hole(opened, start)
            size = 1  # one of these is on a bad page: by single steps up to it, and then over it
            continue
        yield from found
        if len(found) < size:
            return
        start, size = found[-1][0] + 1, min(at_once, size * 2)


def _over_a_hole(opened: Opened, start: int) -> int:
    """Return the first number behind `start`, which can't be looked for, that can; beyond all after too many tries."""
    for low, high in opened.holes:
        if low <= start < high:
            return high
    end = next((number for number in range(start + 1, start + PROBES) if _is_there(opened, number)), _BEYOND)
    opened.holes.append((start, end))
    return end


def _is_there(opened: Opened, start: int) -> bool:
    """Tell whether the first block from `start` on can be looked for."""
    try:
        with failures_of(opened.segment.path):
            opened.db.execute("SELECT number FROM block WHERE number >= ? ORDER BY number LIMIT 1", (start,)).fetchone()
    except StoreDamaged:
        return False
    return True


def numbers_backwards(opened: Opened, before: int) -> Iterator[int]:
    """Yield the numbers of the blocks below `before`, the last first. Raises `StoreUnavailable`."""
    query = "SELECT number FROM block WHERE number < ? ORDER BY number DESC LIMIT ?"
    while True:
        try:
            with failures_of(opened.segment.path):
                found = [number for (number,) in opened.db.execute(query, (before, _AT_ONCE))]
        except StoreDamaged:
            yield from reversed([row[0] for row in rows(opened, "NULL") if row[0] < before])
            return
        yield from found
        if len(found) < _AT_ONCE:
            return
        before = found[-1]


def last_row(opened: Opened, columns: str, before: int = _BEYOND) -> Sequence[Any] | None:
    """Return the number and `columns` of the last block below number `before` whose row fits itself, None when the
    segment has none. Raises `StoreUnavailable`.
    """
    query = f"""SELECT number, {columns} FROM block WHERE number = ? AND count * {_HASH_BYTES} = length(hashes)
        AND typeof(appended) = 'integer'"""  # noqa: S608 - our own
    for number in numbers_backwards(opened, before):
        try:
            with failures_of(opened.segment.path):
                row: Sequence[Any] | None = opened.db.execute(query, (number,)).fetchone()
        except StoreDamaged:
            continue
        if row is not None:
            return row
    return None


def read_tail(opened: Opened) -> Tail:
    """Return where the log ended with this segment. Raises `StoreUnavailable`."""
    meta = opened.meta
    columns = f"count, appended, duplicates, appended_at, {meta.ticks_column}, {meta.others_column}"
    row = last_row(opened, columns)
    counted = _duplicates(opened)
    if row is None:
        return Tail(opened.segment.first, meta.appended, counted, -1, meta.last_at, meta.ticks, meta.others)
    number, count, appended, duplicates, last_at, ticks, others = row
    # `meta` is ahead when the last groups had nothing but duplicates.
    return Tail(number + 1, appended, max(duplicates, counted), offset_of(number, count - 1), last_at, ticks, others)


def _duplicates(opened: Opened) -> int:
    """Return the one figure of `meta` that changes."""
    with suppress(StoreDamaged), failures_of(opened.segment.path):
        row = opened.db.execute("SELECT value FROM meta WHERE key = 'duplicates'").fetchone()
        if row is not None and isinstance(row[0], int):
            return int(row[0])
    return opened.meta.duplicates


def read_head(opened: Opened) -> SegmentHead | None:
    """Return the first block of a segment, None when it has none that can be read. Raises `StoreUnavailable`."""
    row = next(rows(opened, f"appended - count, appended_at, {opened.meta.ticks_column}", at_once=1), None)
    if row is None:
        return None
    number, before, at, ticks = row
    return SegmentHead(number, before, at, ticks, opened.meta.others)


def search(db: sqlite3.Connection, column: Column, least: int) -> int | None:
    """Return the number of the first block whose `column`, which only grows, is at least `least`, None when there is
    none. Looks at a few blocks and not at all of them; `appended_at` only grows in format 1.
    """
    low, high = db.execute("SELECT min(number), max(number) FROM block").fetchone()
    if low is None:
        return None
    found: int | None = None
    query = f"SELECT number, {column} FROM block WHERE number >= ? ORDER BY number LIMIT 1"  # noqa: S608 - a Literal
    while low <= high:
        number, value = db.execute(query, ((low + high) // 2,)).fetchone()
        if value >= least:
            found = number
            high = (low + high) // 2 - 1
        else:
            low = number + 1
    return found


def first_of_ticks(opened: Opened, least: int) -> int | None:
    """Return the number of the first block whose own time is at least `least`. Raises `StoreUnavailable`."""
    column: Column = "ticks" if opened.meta.format > 1 else "appended_at"
    return _first(opened, column, least)


def first_of_window(opened: Opened, window: int, least: int) -> int | None:
    """Return the number of the first block up to which a window had got `least` records. Raises `StoreUnavailable`."""
    if opened.meta.format <= 2:  # noqa: PLR2004 - there everything is of the first one, none of what others there are
        return _first(opened, "appended", least + opened.meta.others) if window == 0 else None
    return _first(opened, "others" if window else "appended - others", least)


def first_since(opened: Opened, at: int) -> int | None:
    """Return the number of the first block appended at or after wall time `at`. Raises `StoreUnavailable`."""
    if opened.meta.format == 1:
        return _first(opened, "appended_at", at)
    return _extreme(opened, "min", ">=", at)


def last_before(opened: Opened, at: int) -> int | None:
    """Return the number of the last block appended before wall time `at`. Raises `StoreUnavailable`."""
    return _extreme(opened, "max", "<", at)


def _first(opened: Opened, column: Column, least: int) -> int | None:
    try:
        with failures_of(opened.segment.path):
            return search(opened.db, column, least)
    except (StoreDamaged, TypeError):
        found = (row[0] for row in rows(opened, column) if isinstance(row[1], int) and row[1] >= least)
        return next(found, None)


def _extreme(opened: Opened, which: Literal["min", "max"], test: Literal[">=", "<"], at: int) -> int | None:
    query = f"SELECT {which}(number) FROM block WHERE appended_at {test} ?"  # noqa: S608 - Literals
    try:
        with failures_of(opened.segment.path):
            (number,) = opened.db.execute(query, (at,)).fetchone()
            return None if number is None else int(number)
    except StoreDamaged:
        times = ((row[0], row[1]) for row in rows(opened, "appended_at") if isinstance(row[1], int))
        found = [number for number, appended_at in times if (appended_at >= at) == (test == ">=")]
        return (found[0] if which == "min" else found[-1]) if found else None


def find_hash(opened: Opened, low: int, high: int, needle: bytes) -> Sequence[int]:
    """Return the numbers of the blocks `low <= number < high` in whose hashes these bytes stand, ascending. Raises
    `StoreUnavailable`.
    """
    query = "SELECT number FROM block WHERE number >= ? AND number < ? AND instr(hashes, ?) ORDER BY number"
    try:
        with failures_of(opened.segment.path):
            return [number for (number,) in opened.db.execute(query, (low, high, needle))]
    except StoreDamaged:
        found = []
        for number, hashes in rows(opened, "hashes", low):
            if number >= high:
                break
            if isinstance(hashes, bytes) and needle in hashes:
                found.append(number)
        return found
