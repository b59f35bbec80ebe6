"""A server that was told to stop leaves nothing half tidied."""

from pathlib import Path

import pytest
from server import Server, lines, until
from test_full_disk import post


@pytest.mark.full
async def test_a_clean_stop_leaves_every_file_whole(tmp_path: Path) -> None:
    """After SIGTERM each SQLite file has everything in itself, also those that both processes had open: a copy of
    the `.db` files alone is a copy of all.
    """
    server = Server(tmp_path, '[destinations.file]\ntype = "file"\n', "segment_bytes = 24_100\n")
    await server.start()
    for number in range(60):
        assert (await post(server, f"m{number}", strict=True)).status == 200
        assert (await post(server, f"m{number}", strict=False, body=[])).status == 200
        assert await server.readiness()

    async def delivered() -> bool:
        return len(lines(server.data / "us" / "file.ndjson")) == 60

    await until(delivered, "all are delivered")
    assert await server.stop() == 0
    assert len(list(server.data.rglob("*.db"))) > 3, "several segments"
    assert {path.name: path.stat().st_size for path in server.data.rglob("*-wal") if path.stat().st_size} == {}
