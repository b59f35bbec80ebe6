"""What is demanded of a connection to PostgreSQL, and that nobody gets the password who does not meet it."""

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from postroad.clock import SystemClock
from postroad.destinations.base import Pause, SendResult, Surroundings
from postroad.destinations.postgres.demands import Machine, demands, in_force, is_here
from postroad.registry import settings_of
from postroad.testing.events import plain_track

SCRAM = {"require_auth": "scram-sha-256"}
VERIFIED = {"sslmode": "verify-full", "sslrootcert": "/certs"}


@pytest.mark.parametrize(
    ("parts", "environ", "added"),
    [
        ({"host": "db.example.com", "password": "p"}, {}, VERIFIED | SCRAM),
        ({"host": "db.example.com"}, {}, VERIFIED),
        ({"host": "db.example.com"}, {"PGPASSWORD": "p"}, VERIFIED | SCRAM),
        ({"host": "db.example.com", "passfile": "/f"}, {}, VERIFIED | SCRAM),
        ({"password": "p"}, {"PGHOST": "db.example.com"}, VERIFIED | SCRAM),
        ({"password": "p"}, {"PGSERVICE": "crm"}, VERIFIED | SCRAM),
        ({"host": "127.0.0.1,10.0.0.1", "password": "p"}, {}, VERIFIED | SCRAM),
        ({"host": "h", "sslmode": "verify-full"}, {}, {"sslrootcert": "/certs"}),
        ({"host": "h", "sslmode": "verify-full", "sslrootcert": "/mine"}, {}, {}),
        ({"host": "h", "sslmode": "disable", "password": "p"}, {}, SCRAM),
        ({"host": "h", "password": "p"}, {"PGSSLMODE": "require", "PGREQUIREAUTH": "md5"}, {}),
        ({"host": "h", "sslmode": "require", "require_auth": "password", "password": "p"}, {}, {}),
        ({"host": "localhost", "password": "p"}, {}, SCRAM),
        ({"host": "/run/postgresql"}, {}, {}),
        ({}, {}, {}),
    ],
)
def test_what_is_added_to_an_address(parts: dict[str, str], environ: dict[str, str], added: dict[str, str]) -> None:
    """Outside this machine TLS is verified, a password is proved and not sent, and what was said otherwise holds."""
    assert demands(parts, Machine(environ, 16_00_00, trusted="/certs")) == added


def test_what_an_older_libpq_is_asked() -> None:
    """A libpq that does not know a parameter is not given it; what protects by TLS is demanded all the same."""
    parts = {"host": "h", "password": "p"}
    assert demands(parts, Machine({}, 15_00_00, trusted="/certs")) == VERIFIED
    assert demands(parts, Machine({}, 15_00_00)) == {"sslmode": "verify-full"}
    assert demands(parts, Machine({}, 18_00_06)) == {"sslmode": "verify-full", "sslrootcert": "system"} | SCRAM
    assert (
        demands({"host": "h"}, Machine({}, 18_00_06, has_passwords=True, has_root=True))
        == {"sslmode": "verify-full"} | SCRAM
    )


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *[(host, True) for host in ("", "localhost", "127.0.0.9", "::1", "/run/pg", "@abstract", "127.0.0.1,::1")],
        *[(host, False) for host in ("10.0.0.1", "db", "localhost.example.com", "localhost,db")],
    ],
)
def test_what_is_this_machine(host: str, here: bool) -> None:  # noqa: FBT001 -- what is expected
    """Loopback and socket files are this machine, and a list is only when all of it is."""
    assert is_here({"host": host}, {}) is here
    assert is_here({"host": "db", "hostaddr": host}, {}) is (here and bool(host))


@pytest.mark.parametrize(
    ("parts", "libpq", "told"),
    [
        ({"host": "h", "password": "p"}, 16, "sslmode=verify-full, sslrootcert=/certs, require_auth=scram-sha-256"),
        (
            {"host": "h", "sslmode": "require", "password": "p"},
            15,
            "sslmode=require, any way to log in: libpq is older",
        ),
        ({}, 16, "on this machine, TLS if the server offers it, any way to log in: there is no password"),
    ],
)
def test_what_is_in_force_is_said(parts: dict[str, str], libpq: int, told: str) -> None:
    """What holds is said in a line, without the password."""
    assert in_force(parts, Machine({}, libpq * 10_000, trusted="/certs")).startswith(told)


class Impostor:
    """Answers in the place of a database: it has no TLS, and asks for the password in clear."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                (size,) = struct.unpack("!I", await reader.readexactly(4))
                self.heard.append(await reader.readexactly(size - 4))
                if self.heard[-1].startswith(struct.pack("!I", 80877103)):
                    writer.write(b"N")
                    continue
                writer.write(b"R" + struct.pack("!II", 8, 3))
                self.heard.append(await reader.read(1024))
                break
        except asyncio.IncompleteReadError:
            pass
        writer.close()


@pytest.fixture
async def impostor() -> AsyncIterator[tuple[Impostor, int]]:
    """An impostor and its port."""
    pytest.importorskip("psycopg")
    one = Impostor()
    server = await asyncio.start_server(one.answer, "127.0.0.1", 0)
    yield one, server.sockets[0].getsockname()[1]
    server.close()


async def _sent(dsn: str, surroundings: Surroundings) -> SendResult:
    from postroad.destinations.postgres import Postgres  # noqa: PLC0415 -- only where the driver is

    settings: Any = settings_of("postgres", {"dsn": dsn}, "destinations.d")
    destination = Postgres(settings, surroundings._replace(timeout=10.0, clock=SystemClock()))
    try:
        [outcome] = await destination.send([plain_track()])
    finally:
        await destination.close()
    return outcome


@pytest.mark.parametrize(
    ("host", "why"),
    [("127.0.0.1", "authentication method requirement"), ("0.0.0.0", "server does not support SSL")],  # noqa: S104
)
async def test_an_impostor_gets_no_password(
    impostor: tuple[Impostor, int], surroundings: Surroundings, host: str, why: str
) -> None:
    """Whoever answers without TLS, or asks for the password itself, gets none; the destination pauses and says why."""
    one, port = impostor
    outcome = await _sent(f"postgresql://ada:hunter2@{host}:{port}/events", surroundings)
    assert isinstance(outcome, Pause)
    assert why in outcome.why
    assert "say so in dsn" in outcome.why
    assert not [heard for heard in one.heard if b"hunter2" in heard]


async def test_what_the_operator_says_holds(impostor: tuple[Impostor, int], surroundings: Surroundings) -> None:
    """An address that asks for less gets it."""
    one, port = impostor
    await _sent(f"postgresql://ada:hunter2@0.0.0.0:{port}/events?sslmode=disable&require_auth=password", surroundings)
    assert any(b"hunter2" in heard for heard in one.heard)
