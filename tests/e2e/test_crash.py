"""Nothing acknowledged is ever lost: the real server, killed at random moments under load."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from load import Clients
from receiver import receiving
from server import Server, lines

from postroad.clock import SystemClock
from postroad.contract.stored import read_key
from postroad.log.embedded.reader import SqliteLogReader
from postroad.storage.layout import region_files

WEBHOOK = '[destinations.hook]\ntype = "webhook"\nurl = "{url}"\nallow_private = true\nretry = {{ first = "0.2s" }}\n'
FILE = '[destinations.file]\ntype = "file"\n'


async def stored_ids(server: Server) -> Counter[str]:
    """Count the message ids in the log, read as any reader reads it."""
    found: Counter[str] = Counter()
    reader = SqliteLogReader(region_files(server.data, "us").log, SystemClock())
    place = 0
    while blocks := await reader.read(place, 1 << 20):
        for block in blocks:
            found.update(read_key(record.key)[1] for record in block.records)
        place = blocks[-1].end
    await reader.close()
    return found


async def crash_and_check(folder: Path, kills: int, seed: int) -> None:
    """Kill one role or all, `kills` times, at random moments of the load; then look at everything that is left."""
    chance = random.Random(seed)
    async with receiving() as receiver:
        server = Server(folder, FILE + WEBHOOK.format(url=receiver.url))
        await server.start()
        clients = Clients(server.url, seed)
        clients.start(16)
        for _ in range(kills):
            await clients.more(chance.randrange(1, 300))
            what = chance.choice(["ingest", "delivery", "both", "all"])
            if what == "all":
                await server.crash()
                await server.start()
            else:
                for role in ("ingest", "delivery") if what == "both" else (what,):
                    server.kill(role)
        await clients.more(50)
        await clients.stop()
        acknowledged = set(clients.acknowledged)
        await receiver.has(acknowledged)
        status, out, err = await server.run("audit")
        assert status == 0, f"while running: {out}{err}"
        assert await server.stop() == 0
        status, out, err = await server.run("audit")
        assert status == 0, f"after the stop: {out}{err}"
        stored = await stored_ids(server)
        assert acknowledged <= stored.keys()
        assert {name: count for name, count in stored.items() if count > 1} == {}
        assert clients.repeats > 0
        written = Counter(str(line["postroad"]["messageId"]) for line in lines(server.data / "us" / "file.ndjson"))
        assert acknowledged <= written.keys()


async def test_nothing_acknowledged_is_lost_by_a_few_kills(tmp_path: Path) -> None:
    """Every acknowledged event is in the log exactly once and at every destination, and the audit balances."""
    await crash_and_check(tmp_path, kills=3, seed=1)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [2, 3])
async def test_nothing_acknowledged_is_lost_by_many_kills(tmp_path: Path, seed: int) -> None:
    """The same after at least twenty kills at random moments."""
    async with asyncio.timeout(580):
        await crash_and_check(tmp_path, kills=22, seed=seed)
