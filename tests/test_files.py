"""Files under the data folder: whole, and held by one process."""

import os
import sqlite3
from pathlib import Path

import pytest

from postroad.errors import StoreUnavailable
from postroad.storage.files import connect_writer, write_private
from postroad.storage.store import StoreFile

STEPS = [["CREATE TABLE meta (key PRIMARY KEY, value)", "INSERT INTO meta VALUES ('kind', 'test'), ('format', 0)"]]


def test_a_small_file_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system takes less than it is given, the rest follows."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    write_private(tmp_path / "key", "0123456789")
    assert (tmp_path / "key").read_text() == "0123456789"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_draft_that_somebody_put_there(tmp_path: Path) -> None:
    """Neither a link nor a file in a draft's place is written to: what is written is ours alone."""
    theirs = tmp_path / "theirs"
    theirs.write_text("before")
    (tmp_path / "key.new").symlink_to(theirs)
    write_private(tmp_path / "key", "secret")
    assert (theirs.read_text(), (tmp_path / "key").read_text()) == ("before", "secret")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_synced_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store whose file may vanish with the next power cut is not used until its folder can be synced."""

    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "test.db"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        store = StoreFile(path, "test", STEPS, connect_writer)
        assert "Input/output error" in store.trouble
        with pytest.raises(StoreUnavailable, match="Input/output error"):
            store.transact(lambda db: db.execute("INSERT INTO meta VALUES ('a', 1)"))
    store.transact(lambda db: db.execute("INSERT INTO meta VALUES ('a', 1)"))
    assert store.trouble == ""
    store.close()


def test_a_connection_that_cannot_be_used_is_closed(tmp_path: Path) -> None:
    """A file that is no database leaves no connection behind: that one would keep the file busy."""
    closed = []

    class Connection(sqlite3.Connection):
        def close(self) -> None:
            closed.append(self)
            super().close()

    path = tmp_path / "test.db"
    path.write_text("no database, but long enough to be looked at " * 30)
    with pytest.raises(sqlite3.DatabaseError):
        connect_writer(path, Connection)
    assert len(closed) == 1
