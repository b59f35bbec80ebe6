"""The tables of `ledger.db`, how they pack offsets, and the steps that bring an older file to them."""

import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from postroad.storage.store import migrate

KIND = "ledger"

_FORMAT_1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('kind', 'ledger'), ('format', 0)",
    # kept_from: every block below this number was folded into `forgotten`.
    """CREATE TABLE account (
        number INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT NOT NULL, replay TEXT, start INTEGER NOT NULL,
        end INTEGER, cursor INTEGER NOT NULL, opened_at INTEGER NOT NULL, kept_from INTEGER NOT NULL)""",
    # codes: one byte a record of the block, an Outcome.
    """CREATE TABLE outcome (
        account INTEGER NOT NULL, block INTEGER NOT NULL, codes BLOB NOT NULL,
        PRIMARY KEY (account, block)) WITHOUT ROWID""",
    """CREATE TABLE retry (
        account INTEGER NOT NULL, offset INTEGER NOT NULL, due_at INTEGER NOT NULL, tries INTEGER NOT NULL,
        first_at INTEGER NOT NULL, why TEXT NOT NULL, key BLOB, value BLOB,
        PRIMARY KEY (account, offset)) WITHOUT ROWID""",
    "CREATE INDEX retry_due ON retry (account, due_at, offset)",
    "CREATE INDEX retry_in_log ON retry (account, offset) WHERE value IS NULL",
    """CREATE TABLE dead (
        account INTEGER NOT NULL, offset INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
        label TEXT NOT NULL, why TEXT NOT NULL, died_at INTEGER NOT NULL, first_at INTEGER NOT NULL,
        tries INTEGER NOT NULL, PRIMARY KEY (account, offset))""",
    # Both hold all that a list is narrowed by, so that only what is listed is looked up in the table.
    "CREATE INDEX dead_at ON dead (account, offset, died_at)",
    "CREATE INDEX dead_label ON dead (account, label, offset, died_at)",
    # offsets: 64-bit integers, little-endian, in the batch's order; first is the first of them.
    """CREATE TABLE frozen (
        account INTEGER NOT NULL, first INTEGER NOT NULL, offsets BLOB NOT NULL, due_at INTEGER NOT NULL,
        tries INTEGER NOT NULL, first_at INTEGER NOT NULL, why TEXT NOT NULL,
        PRIMARY KEY (account, first)) WITHOUT ROWID""",
    """CREATE TABLE attempt (
        account INTEGER NOT NULL, offset INTEGER NOT NULL, at INTEGER NOT NULL, status INTEGER NOT NULL,
        why TEXT NOT NULL, answer TEXT NOT NULL)""",
    "CREATE INDEX attempt_record ON attempt (account, offset)",
    """CREATE TABLE total (
        account INTEGER NOT NULL, outcome INTEGER NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (account, outcome)) WITHOUT ROWID""",
    """CREATE TABLE forgotten (
        account INTEGER NOT NULL, outcome INTEGER NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (account, outcome)) WITHOUT ROWID""",
)

_FORMAT_2 = (
    # policy: the destination's last on_backlog_full. ended_at and ended_by: when, and by what, `end` was set.
    "ALTER TABLE account ADD COLUMN policy TEXT NOT NULL DEFAULT 'refuse'",
    "ALTER TABLE account ADD COLUMN ended_at INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE account ADD COLUMN ended_by TEXT NOT NULL DEFAULT ''",
    # Before ends had a reason, only a removal from the configuration set them.
    "UPDATE account SET ended_by = 'abandoned' WHERE end IS NOT NULL AND replay IS NULL",
    # Records without a byte that the log can't read any more.
    """CREATE TABLE lost (
        account INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, records INTEGER NOT NULL,
        PRIMARY KEY (account, start, end)) WITHOUT ROWID""",
    # How the value is kept: see packing.py. Older rows have it as it is.
    "ALTER TABLE dead ADD COLUMN packing INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX dead_age ON dead (account, died_at, offset)",
    # Of each account's dead letters the bytes that the quota counts.
    "CREATE TABLE dead_size (account INTEGER PRIMARY KEY, size INTEGER NOT NULL)",
    "INSERT INTO dead_size SELECT account, sum(length(key) + length(value)) FROM dead GROUP BY account",
)

_FORMAT_3 = (
    # How the sender names a record to its receiver; 0 is how it was before there was a choice.
    "ALTER TABLE retry ADD COLUMN form INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE dead ADD COLUMN form INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE frozen ADD COLUMN form INTEGER NOT NULL DEFAULT 0",
    # The hold of the destination whose live account it is: since when (0: none), by whom and why.
    "ALTER TABLE account ADD COLUMN held_at INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE account ADD COLUMN held_by TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE account ADD COLUMN held_why TEXT NOT NULL DEFAULT ''",
)

STEPS = (_FORMAT_1, _FORMAT_2, _FORMAT_3)
"""See `postroad.storage.store.migrate`."""

FORMAT = len(STEPS)

_WITHOUT_FORM = (
    "CREATE TEMP VIEW retry AS SELECT *, 0 AS form FROM main.retry",
    "CREATE TEMP VIEW frozen AS SELECT *, 0 AS form FROM main.frozen",
)

_LOOKS_NEWEST = {
    1: (
        *_WITHOUT_FORM,
        """CREATE TEMP VIEW account AS SELECT *, 'refuse' AS policy, 0 AS ended_at,
            CASE WHEN end IS NOT NULL AND replay IS NULL THEN 'abandoned' ELSE '' END AS ended_by,
            0 AS held_at, '' AS held_by, '' AS held_why FROM main.account""",
        "CREATE TEMP VIEW lost AS SELECT 0 AS account, 0 AS start, 0 AS end, 0 AS records WHERE 0",
        "CREATE TEMP VIEW dead AS SELECT *, 0 AS packing, 0 AS form FROM main.dead",
    ),
    2: (
        *_WITHOUT_FORM,
        "CREATE TEMP VIEW dead AS SELECT *, 0 AS form FROM main.dead",
        "CREATE TEMP VIEW account AS SELECT *, 0 AS held_at, '' AS held_by, '' AS held_why FROM main.account",
    ),
}
"""By a file's format: what makes it look like the newest one to a reader, who may not change it."""


OF_ACCOUNTS: Final = ("outcome", "total", "forgotten", "retry", "dead", "frozen", "attempt", "lost")
"""The tables whose rows are an account's."""

OWNERS: Final = """WITH RECURSIVE owner (number) AS (SELECT min(account) FROM {table} UNION ALL
    SELECT (SELECT min(account) FROM {table} WHERE account > number) FROM owner WHERE number IS NOT NULL)
    SELECT number FROM owner WHERE number IS NOT NULL"""
"""The accounts that have rows in a table, found by its index and not by reading all of it."""

KNOWN_LOG: Final = "SELECT key, value FROM meta WHERE key IN ('log', 'epoch')"


def known_log(rows: Sequence[tuple[str, Any]]) -> tuple[str, int] | None:
    """Return the identity and epoch that the rows of `KNOWN_LOG` say; None where they say none."""
    said = dict(rows)
    return (str(said["log"]), int(said["epoch"])) if "log" in said else None


def pack_offsets(offsets: Sequence[int]) -> bytes:
    """Return offsets as the column `frozen.offsets` keeps them."""
    return struct.pack(f"<{len(offsets)}q", *offsets)


def unpack_offsets(packed: bytes) -> tuple[int, ...]:
    """Read that column back."""
    return struct.unpack(f"<{len(packed) // 8}q", packed)


def look_newest(db: sqlite3.Connection, found: int) -> None:
    """Let a reader's connection see a file of an older format, as it was `found`, as if it had been brought over.

    Its writer does that when it starts; until then people look at it all the same. Once it has, the connection has to
    be opened anew. Raises `sqlite3.Error`.
    """
    if found == FORMAT:
        return
    db.execute("PRAGMA query_only = OFF")  # these are temporary and in memory
    db.execute("PRAGMA temp_store = MEMORY")
    for statement in _LOOKS_NEWEST.get(found, ()):
        db.execute(statement)
    db.execute("PRAGMA query_only = ON")


def empty() -> sqlite3.Connection:
    """Return a ledger in memory with nothing in it: what a reader sees before there is a file."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    migrate(db, Path(":memory:"), KIND, STEPS)
    return db
