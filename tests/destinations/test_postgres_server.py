"""The postgres destination and a real server: tables, exactly once, and every way in which a database fails."""

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import postgres_server
import pytest
from postgres_server import PostgresServer

from postroad.contract.email import Kind
from postroad.destinations.base import Delivered, Event, Pause, Refused, Retry, Surroundings
from postroad.destinations.postgres import Dsn, Postgres
from postroad.destinations.postgres.tables import migrations
from postroad.testing.events import call, email_event, every_email_event

pytestmark = pytest.mark.full

Make = Callable[..., Postgres]
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    with postgres_server.running() as running:
        yield running


class Database:
    """A database of the test's own."""

    def __init__(self, server: PostgresServer, *, options: str = "") -> None:
        self.server = server
        self.name = f"test_{next(NUMBERS)}"
        server.execute(f"CREATE DATABASE {self.name} {options}")

    @property
    def dsn(self) -> str:
        """Its address, for the administrator."""
        return self.server.dsn(self.name)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the administrator and return its rows."""
        return self.server.execute(statement, database=self.name)

    def ids(self, table: str = "events") -> list[str]:
        """Return the message ids in a table, in order."""
        return [found for (found,) in self.execute(f"SELECT message_id FROM postroad.{table} ORDER BY 1")]  # noqa: S608

    def role(self, *rights: str) -> str:
        """Make a user who may do only this, and return the address for it."""
        user = f"user_{self.name}"
        self.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret'")
        for right in rights:
            self.execute(f"GRANT {right} TO {user}")
        return self.server.dsn(self.name, user=user, password="secret")


@pytest.fixture
def database(server: PostgresServer) -> Database:
    """A new, empty database."""
    return Database(server)


@pytest.fixture
async def make(database: Database, surroundings: Surroundings) -> AsyncIterator[Make]:
    """Make destinations that are closed after the test."""
    made: list[Postgres] = []

    def make(dsn: str = "", *, timeout: float = 10.0) -> Postgres:
        settings = Postgres.Settings(dsn=Dsn(dsn or database.dsn))
        made.append(Postgres(settings, surroundings._replace(timeout=timeout)))
        return made[-1]

    yield make
    for one in made:
        await one.close()


def opened(count: int, *, start: int = 0, **properties: object) -> list[Event]:
    """Return Email Opened events `m0`, `m1`, …."""
    numbers = range(start, start + count)
    members = {"event": "Email Opened", "properties": {"email_id": "e", **properties}}
    return [call("track", members, message_id=f"m{n}", offset=n, kind=Kind.OPENED) for n in numbers]


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
async def test_the_rows_of_each_event_are_golden(
    kind: Kind, make: Make, database: Database, golden: Callable[[str, bytes], None]
) -> None:
    """Each email event is one row in `events` and one in its own table, typed."""
    assert await make().send([email_event(kind)]) == [Delivered()]
    table = make().email_events[kind].name
    found = {
        name: [row for (row,) in database.execute(f"SELECT to_jsonb(given) FROM postroad.{name} given")]  # noqa: S608
        for name in ("events", table)
    }
    golden(f"postgres/{kind.name.lower()}.json", json.dumps(found, indent=2, ensure_ascii=False).encode() + b"\n")


async def test_an_event_is_there_once(make: Make, database: Database) -> None:
    """The same event again, in one batch or another, at another offset too, is still one row in every table."""
    events = every_email_event()
    for batch in (events, [*events, *events], [event._replace(offset=event.offset + 100) for event in events]):
        assert await make().send(batch) == [Delivered()] * len(batch)
    assert database.ids() == [event.message_id for event in events]
    assert database.execute("SELECT count(*), max(log_offset) FROM postroad.email_opened") == [(1, 5)]


async def test_other_sources_and_regions_are_others(make: Make, database: Database) -> None:
    """The same message id of another source or region is another event."""
    (event,) = opened(1)
    await make().send([event, event._replace(source="other"), event._replace(region="eu")])
    assert len(database.ids()) == 3


async def test_nothing_is_lost_that_a_column_cannot_hold(make: Make, database: Database) -> None:
    """NUL is U+FFFD in the columns and itself in the body; a long message id and a huge number are no problem."""
    long = "x" * 20_000
    members = {"event": "Email Opened", "properties": {"email_id": "a\0b", "campaign_id": "c"}}
    first = call("track", members, message_id="nul\0", offset=1, kind=Kind.OPENED)
    second = call("track", {"event": "E", "properties": {"n": 1}}, message_id=long, offset=2)
    second = second._replace(body=second.body.replace(b'"n":1', b'"n":1e999999,"big":123456789012345678901234567890'))
    assert await make().send([first, second]) == [Delivered()] * 2
    assert database.ids() == ["nul\ufffd", long]
    rows = database.execute("SELECT body, body_text FROM postroad.events ORDER BY log_offset")
    assert rows == [(None, first.body.decode()), (None, second.body.decode())]
    assert database.execute("SELECT email_id, campaign_id FROM postroad.email_opened") == [("a\ufffdb", "c")]


async def test_only_the_event_that_is_refused_is_refused(make: Make, database: Database) -> None:
    """Of a batch with events that break a rule of the operator, exactly those are refused, with the reason."""
    destination = make()
    await destination.send(opened(1))
    database.execute("ALTER TABLE postroad.email_opened ADD CHECK (email_subject <> 'bad')")
    good, bad = opened(50, start=1), opened(2, start=60, email_subject="bad")
    batch = [*good[:20], bad[0], *good[20:], bad[1]]
    outcomes = await destination.send(batch)
    assert [event for event, outcome in zip(batch, outcomes, strict=True) if outcome != Delivered()] == bad
    assert isinstance(outcomes[20], Refused)
    assert "email_opened_email_subject_check" in outcomes[20].why
    assert len(database.ids()) == len(database.ids("email_opened")) == 51


async def test_a_body_that_is_no_json_is_refused_alone(make: Make, database: Database) -> None:
    """What a transform broke does not hold up the others."""
    first, second, third = opened(3)
    outcomes = await make().send([first, second._replace(body=b'{"a":'), third])
    assert [type(outcome) for outcome in outcomes] == [Delivered, Refused, Delivered]
    assert database.ids() == ["m0", "m2"]


@pytest.mark.parametrize("dropped", ["TABLE postroad.events", "TABLE postroad.email_opened", "SCHEMA postroad CASCADE"])
async def test_a_table_dropped_underneath_is_made_again(make: Make, database: Database, dropped: str) -> None:
    """When a table or all of them go, the next batch makes them again, and nothing else is touched."""
    destination = make()
    await destination.send(opened(1))
    database.execute(f"DROP {dropped}")
    assert await destination.send(opened(2, start=1)) == [Delivered()] * 2
    assert {"m1", "m2"} <= set(database.ids()) & set(database.ids("email_opened"))


@pytest.mark.parametrize(
    "change",
    [
        "ALTER COLUMN email_id TYPE integer USING 0",
        "DROP COLUMN email_id",
        "ADD COLUMN mine text NOT NULL",
        "DROP CONSTRAINT email_opened_pkey",
    ],
)
async def test_changed_tables_pause(make: Make, database: Database, change: str) -> None:
    """A table whose columns do not fit any more pauses the destination, by name; no event is given up."""
    destination = make()
    await destination.send(every_email_event()[:1])
    database.execute(f"ALTER TABLE postroad.email_opened {change}")
    (outcome,) = await destination.send(opened(1))
    assert isinstance(outcome, Pause)
    assert outcome.why.startswith(
        "the table postroad.email_opened is not as Postroad made it; change it back, or rename"
    )
    assert database.ids() == ["msg-0001"]


async def test_a_table_of_somebody_else_is_left_alone(make: Make, database: Database) -> None:
    """A table of the same name that is not ours pauses the destination and stays as it was."""
    database.execute("CREATE SCHEMA postroad")
    database.execute("CREATE TABLE postroad.email_opened (mine text)")
    (outcome,) = await make().send(opened(1))
    assert isinstance(outcome, Pause)
    assert database.execute("SELECT * FROM postroad.email_opened") == []


async def test_older_tables_are_migrated(make: Make, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer Postroad brings the tables up to date once, keeps what is in them, and notes its version."""
    await make().send(opened(1))
    ours, more = migrations("postroad"), ["ALTER TABLE postroad.events ADD COLUMN IF NOT EXISTS later text"]
    monkeypatch.setattr("postroad.destinations.postgres.versions.migrations", lambda _: (*ours, more))
    assert await make().send(opened(1, start=1)) == [Delivered()]
    assert database.execute("SELECT message_id, later FROM postroad.events") == [("m0", None), ("m1", None)]
    assert database.execute("SELECT version FROM postroad.postroad_version ORDER BY 1") == [(1,), (2,)]


async def test_newer_tables_are_refused(make: Make, database: Database) -> None:
    """Tables of a newer Postroad pause the destination with a sentence."""
    await make().send(opened(1))
    database.execute("INSERT INTO postroad.postroad_version (version) VALUES (7)")
    assert await make().send(opened(1)) == [
        Pause("the tables in schema 'postroad' have version 7, this Postroad knows up to 1; upgrade Postroad")
    ]


async def test_a_wrong_password_pauses(make: Make, database: Database) -> None:
    """A refused login is a pause, and the password is not in it."""
    dsn = database.server.dsn(database.name, password="wrong-hunter")
    (outcome,) = await make(dsn).send(opened(1))
    assert isinstance(outcome, Pause)
    assert "password authentication failed" in outcome.why
    assert "wrong-hunter" not in outcome.why


async def test_a_missing_database_pauses(make: Make, database: Database) -> None:
    """A database that isn't there is a pause."""
    (outcome,) = await make(database.server.dsn("nowhere")).send(opened(1))
    assert isinstance(outcome, Pause)
    assert 'database "nowhere" does not exist' in outcome.why


@pytest.mark.parametrize("dsn", ["postgresql://ada:hunter2@h:notaport/d", "host=h hunter2", "nonsense=hunter2"])
async def test_an_address_that_cannot_be_read_pauses(make: Make, dsn: str) -> None:
    """An address that libpq can't read is a pause that repeats nothing of it."""
    (outcome,) = await make(dsn).send(opened(1))
    assert isinstance(outcome, Pause | Retry)
    assert "hunter2" not in outcome.why


async def test_no_right_to_make_tables_pauses(make: Make, database: Database) -> None:
    """A user who may make nothing is a pause while there are no tables."""
    (outcome,) = await make(database.role()).send(opened(1))
    assert isinstance(outcome, Pause)
    assert "permission denied" in outcome.why


async def test_the_right_to_insert_is_enough(make: Make, database: Database) -> None:
    """Once the tables are there, a user who may only insert, and read the key and the version, can deliver."""
    await make().send(opened(1))
    both = [f"INSERT, SELECT (event_key) ON postroad.{table}" for table in ("events", "email_opened")]
    dsn = database.role("USAGE ON SCHEMA postroad", "SELECT ON postroad.postroad_version", *both)
    assert await make(dsn).send(opened(2)) == [Delivered()] * 2


async def test_another_encoding_pauses(server: PostgresServer, make: Make) -> None:
    """A database that can't hold every text is refused before anything is made in it."""
    latin = Database(server, options="ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
    assert await make(latin.dsn).send(opened(1)) == [
        Pause("the database's encoding is LATIN1; Postroad needs one whose encoding is UTF8")
    ]
    assert latin.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'postroad'") == []


async def test_a_refused_connection_is_a_retry(make: Make) -> None:
    """Nobody listening, or a name that is nowhere, is a retry."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for place in (f"127.0.0.1:{port}", "nowhere.invalid"):
        (outcome,) = await make(f"postgresql://ada:hunter2@{place}/d").send(opened(1))
        assert isinstance(outcome, Retry)
        assert "hunter2" not in outcome.why


async def test_a_server_that_says_nothing_is_a_retry_in_time(make: Make) -> None:
    """A connection that is taken and never answered ends after the timeout."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        dsn = f"postgresql://ada:hunter2@127.0.0.1:{deaf.getsockname()[1]}/d"
        (outcome,) = await asyncio.wait_for(make(dsn, timeout=0.5).send(opened(1)), 5)
    assert outcome == Retry("the database did not answer within 0.5 s")


async def test_a_connection_that_went_while_idle_is_made_anew(make: Make, database: Database) -> None:
    """After a restart of the server, or of what is in between, the next batch is delivered at once."""
    destination = make()
    await destination.send(opened(1))
    database.server.disconnect(database.name)
    assert await destination.send(opened(2)) == [Delivered()] * 2


@contextmanager
def held(database: Database, table: str) -> Iterator[None]:
    """Keep a table locked by somebody else for the length of a `with`."""
    import psycopg  # noqa: PLC0415 -- those who get here have it

    with closing(psycopg.connect(database.dsn)) as connection:
        connection.execute(f"LOCK TABLE postroad.{table}".encode())
        yield


async def waiting(database: Database) -> None:
    """Return once somebody waits for a lock."""
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not database.execute(query):
        await asyncio.sleep(0.01)


async def test_a_lock_is_a_retry_in_time_and_leaves_nothing(make: Make, database: Database) -> None:
    """A batch that waits too long is a retry, and nothing of it is written afterwards."""
    await make().send(opened(1))
    with held(database, "email_opened"):
        (outcome,) = await make(timeout=0.5).send(opened(1, start=1))
    assert isinstance(outcome, Retry)
    assert await make().send(opened(1, start=2)) == [Delivered()]
    assert database.ids() == ["m0", "m2"]


async def test_a_batch_that_is_cut_off_leaves_nothing(make: Make, database: Database) -> None:
    """A batch whose send is cancelled, or whose connection is lost, between two tables is in neither of them."""
    destination = make()
    await destination.send(opened(1))
    with held(database, "email_opened"):
        cancelled, lost = (asyncio.create_task(make().send(opened(1, start=start))) for start in (1, 2))
        await waiting(database)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        await waiting(database)
        database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        (outcome,) = await lost
    assert isinstance(outcome, Retry)
    assert await destination.send(opened(1, start=3)) == [Delivered()]
    assert database.ids() == database.ids("email_opened") == ["m0", "m3"]


async def test_batches_at_once_make_the_tables_once(make: Make, database: Database) -> None:
    """Several destinations that start in an empty database at the same time all deliver."""
    sends = [make().send(opened(20, start=start)) for start in range(0, 80, 10)]
    assert set(itertools.chain(*await asyncio.gather(*sends))) <= {Delivered()}
    assert len(database.ids()) == 90


async def test_connections_are_kept_and_closed(make: Make, database: Database) -> None:
    """Batches one after the other share a connection, and closing leaves none."""
    destination, query = make(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postroad'"
    for start in range(5):
        await destination.send(opened(1, start=start))
    assert database.execute(f"{query} AND datname = current_database()") == [(1,)]
    await destination.close()
    while database.execute(f"{query} AND datname = current_database()") != [(0,)]:
        await asyncio.sleep(0.01)
