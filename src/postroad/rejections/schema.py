"""The tables of `rejections.db`, and the steps that bring an older file to them."""

KIND = "rejections"

_FORMAT_1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('kind', 'rejections'), ('format', 0)",
    # The body is last: reading what comes before it does not read it.
    """CREATE TABLE rejection (
        id INTEGER PRIMARY KEY AUTOINCREMENT, stranger INTEGER NOT NULL, kept_size INTEGER NOT NULL,
        at INTEGER NOT NULL, source TEXT NOT NULL, code TEXT NOT NULL, details TEXT NOT NULL, path TEXT NOT NULL,
        size INTEGER NOT NULL, key_fingerprint TEXT NOT NULL, item INTEGER, body BLOB)""",
    "CREATE INDEX rejection_class ON rejection (stranger, id, kept_size)",
    "CREATE INDEX rejection_source ON rejection (source, id, at, code)",
    "CREATE INDEX rejection_code ON rejection (code, id, at)",
    """CREATE TABLE book (
        stranger INTEGER PRIMARY KEY, recorded INTEGER NOT NULL, kept INTEGER NOT NULL,
        evicted INTEGER NOT NULL, removed INTEGER NOT NULL, size INTEGER NOT NULL)""",
    "INSERT INTO book VALUES (0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 0)",
)

STEPS = (_FORMAT_1,)
"""See `postroad.storage.store.migrate`."""

FORMAT = len(STEPS)
