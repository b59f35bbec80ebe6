"""What comes before the delivery process does is owed to the destinations that are configured."""

import asyncio
import json
import sys
from collections.abc import Sequence

import pytest
from load import Clients
from server import Server, lines, until

FILES = '[destinations.one]\ntype = "file"\n'


async def role(server: Server, name: str) -> asyncio.subprocess.Process:
    """Start one role by itself, as a process of its own."""
    words = ("-m", "postroad", "serve", "--roles", name, "--config", str(server.config))
    with (server.folder / "serve.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(sys.executable, *words, stdout=log, stderr=log)


async def end(process: asyncio.subprocess.Process) -> None:
    """Stop it."""
    process.terminate()
    await process.wait()


@pytest.mark.full
async def test_events_from_before_the_first_delivery_process(tmp_path):
    """Events that were accepted while no delivery process had ever run, or before it knew of a destination that was
    added, reach every destination that was configured when they came.
    """
    server = Server(tmp_path, FILES)
    ingest = await role(server, "ingest")
    early = await accepted(server, 1)
    delivery = await role(server, "delivery")
    await until(lambda: _has(server, "one", early), "the first destination has what came before it")
    await end(delivery)
    await end(ingest)
    server.config.write_text(server.config.read_text() + FILES.replace("one", "two"))
    ingest = await role(server, "ingest")
    later = await accepted(server, 2)
    delivery = await role(server, "delivery")
    await until(lambda: _has(server, "two", later), "the second destination has what came since it was configured")
    await until(lambda: _has(server, "one", [*early, *later]), "the first has everything")
    status, out, _ = await server.run("audit", "--json")
    assert status == 0, out
    assert [account["owed"] for account in json.loads(out)["regions"][0]["accounts"]] == [
        len(early) + len(later),
        len(later),
    ]
    await end(delivery)
    await end(ingest)


async def accepted(server: Server, seed: int) -> Sequence[str]:
    """Send some events, and return their ids."""
    clients = Clients(server.url, seed, f"m{seed}")
    clients.start(2)
    await clients.more(5)
    await clients.stop()
    return clients.acknowledged


async def _has(server: Server, name: str, ids: Sequence[str]) -> bool:
    there = [line["postroad"]["messageId"] for line in lines(server.data / "us" / f"{name}.ndjson")]
    return sorted(there) == sorted(ids)
