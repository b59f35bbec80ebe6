"""Everything goes wrong on the way out: connections are late, cut and stuck, and processes are killed."""

import json
import random
from collections import Counter
from pathlib import Path

import postgres_server
import pytest
from load import Clients
from receiver import Receiver, receiving
from server import Server, until
from unreliable import UnreliableProxy, unreliable
from yarl import URL

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

RETRY = 'timeout = "2s"\nretry = { first = "0.2s", max_interval = "2s" }\n'


def destinations(hook: UnreliableProxy, database: UnreliableProxy, dsn: str) -> str:
    """A webhook and PostgreSQL behind proxies, and Parquet on disk."""
    address = URL(dsn).with_port(database.port)
    return (
        f'[destinations.hook]\ntype = "webhook"\nurl = "http://127.0.0.1:{hook.port}/"\nallow_private = true\n{RETRY}'
        f'[destinations.warehouse]\ntype = "postgres"\ndsn = "{address}"\nallow_private = true\n'
        f'batch = {{ max_events = 50, linger = "0.1s" }}\n{RETRY}'
        f'[destinations.lake]\ntype = "parquet"\nbatch = {{ max_events = 50, linger = "0.3s" }}\n{RETRY}'
    )


def in_postgres(database: postgres_server.PostgresServer) -> Counter[str]:
    """Count the message ids in the raw table."""
    rows = database.execute("SELECT message_id FROM postroad.events")
    return Counter(str(row[0]) for row in rows)


def in_parquet(folder: Path) -> Counter[str]:
    """Count the message ids in all files."""
    import pyarrow.parquet as pq  # noqa: PLC0415 -- not everybody has it

    files = sorted(folder.rglob("*.parquet"))
    return Counter(name for file in files for name in pq.ParquetFile(file).read()["message_id"].to_pylist())


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_destination_gets_everything_through_faults(tmp_path: Path, seed: int) -> None:
    """Every event is at every destination; in PostgreSQL and in Parquet exactly once; and the audit balances."""
    postgres_server.require("pyarrow")
    with postgres_server.running() as database:
        async with receiving() as receiver:
            hook_port = URL(receiver.url).port
            assert hook_port is not None
            async with unreliable(hook_port, seed) as hook, unreliable(database.port, seed) as pg:
                server = Server(tmp_path, destinations(hook, pg, database.dsn()))
                await server.start()
                await harm(server, receiver, (hook, pg), seed)
                await check(server, receiver, database)
                assert hook.cuts > 0
                assert pg.cuts > 0


async def harm(server: Server, receiver: Receiver, proxies: tuple[UnreliableProxy, ...], seed: int) -> None:
    """Send events while everything fails, then let it heal and wait for the webhook."""
    chance = random.Random(seed)
    clients = Clients(server.url, seed)
    clients.start(8)
    await clients.more(50)
    for proxy in proxies:
        proxy.harm = True
    for _ in range(8):
        await clients.more(chance.randrange(100, 300))
        server.kill(chance.choice(["delivery", "delivery", "ingest"]))
    await clients.stop()
    for proxy in proxies:
        proxy.harm = False
    await receiver.has(set(clients.acknowledged), 120)


async def check(server: Server, receiver: Receiver, database: postgres_server.PostgresServer) -> None:
    """Wait until nothing is owed, then look at what each destination has."""

    async def settled() -> bool:
        _, out, _ = await server.run("status", "--json")
        places = [place for line in out.splitlines() for place in json.loads(line)["status"]["destinations"]]
        return len(places) == 3 and all(place["waiting"] == place["retrying"] == 0 for place in places)

    await until(settled, "every destination has everything", 120)
    status, out, err = await server.run("audit")
    assert status == 0, f"while running: {out}{err}"
    assert await server.stop() == 0
    wanted = dict.fromkeys(receiver.received, 1)
    assert in_postgres(database) == wanted
    assert in_parquet(server.data / "us" / "lake") == wanted
    status, out, err = await server.run("audit")
    assert status == 0, f"after the stop: {out}{err}"
