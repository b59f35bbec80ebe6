"""S3-compatible storage for tests: moto's server, over real HTTP on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from postgres_server import require

KEY, SECRET = "the-key-of-the-storage", "hunter2-of-the-storage"


class S3Server:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    @property
    def settings(self) -> dict[str, object]:
        """What the parquet destination needs to reach it, but for the bucket."""
        where = {"s3_endpoint": self.url, "s3_region": "us-east-1"}
        return {**where, "s3_access_key_id": KEY, "s3_secret_access_key": SECRET}

    def store(self, bucket: str) -> Any:
        """Return obstore's own view of a bucket."""
        from obstore.store import S3Store  # noqa: PLC0415 -- not everybody has it; those who get here do

        where = {"endpoint": self.url, "region": "us-east-1", "access_key_id": KEY, "secret_access_key": SECRET}
        return S3Store(bucket, config=where, client_options={"allow_http": True})

    async def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        await self._ask("PUT", name)

    async def remove_bucket(self, name: str) -> None:
        """Remove a bucket that is empty."""
        await self._ask("DELETE", name)

    async def _ask(self, method: str, name: str) -> None:
        async with aiohttp.ClientSession() as session, session.request(method, f"{self.url}/{name}") as response:
            response.raise_for_status()


@contextmanager
def running() -> Iterator[S3Server]:
    """A server for the length of a `with`; skips, or under CI fails, where there can be none."""
    require("moto", "obstore", "pyarrow")
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 -- see `store`

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield S3Server(server.get_host_and_port()[1])
    finally:
        server.stop()
