"""The real server as clients can find it: lenient, always strict, or full."""

from pathlib import Path
from typing import Any

import aiohttp
from server import Server, lines, until

REGION_KEY = "sk_us_0123456789abcdef"
REGION_KEYS = {"us": "US_WRITE_KEY", "eu": "EU_WRITE_KEY"}
"""The write keys of the pages in docs/clients."""
DESTINATIONS = f"""
[sources.regional]
write_key = "{REGION_KEY}"

[destinations.archive]
type = "file"
names = ["Archive"]

[destinations.other]
type = "file"
"""


class Postroad(Server):
    """A server whose archive can be read."""

    def __init__(self, folder: Path, *, strict: str = "header", disk_floor: str = "0") -> None:
        """`strict` and `disk_floor` are the settings of these names."""
        super().__init__(folder, DESTINATIONS)
        settings = self.config.read_text().replace("[server]\n", f'[server]\nstrict = "{strict}"\n')
        self.config.write_text(settings.replace("disk_floor = 0\n", f'disk_floor = "{disk_floor}"\n'))

    async def is_ready(self) -> bool:
        """Tell whether it accepts and delivers; fail at once when it has ended."""
        assert self.process is None or self.process.returncode is None, (self.folder / "serve.log").read_text()
        return await super().is_ready()

    async def archive(self) -> list[dict[str, Any]]:
        """Return every event that the archive got, once it has got all there is: the oldest first."""
        await until(self._is_settled, "everything is delivered")
        return [line["event"] for line in lines(self.data / "us" / "archive.ndjson")]

    async def archived(self, run: str) -> list[dict[str, Any]]:
        """Return the track events of one run."""
        found = await self.archive()
        return [event for event in found if str(event.get("properties", {}).get("email_id", "")).startswith(f"{run}-")]

    async def status(self) -> dict[str, Any]:
        """Return what `postroad status` shows of region us."""
        token = (self.data / "admin-token").read_text().strip()
        url = f"http://127.0.0.1:{self.admin_port}/api/status"
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
            session.get(url) as answer,
        ):
            return dict((await answer.json())[0]["status"])

    async def _is_settled(self) -> bool:
        status = await self.status()
        return all(sum(place["outcomes"].values()) == status["appended"] for place in status["destinations"])


class Full(Postroad):
    """A server that can't take anything: no disk has as much room as it wants to leave."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, disk_floor="9000TiB")

    async def is_ready(self) -> bool:
        """Tell whether it answers at all."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/livez") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False


class TwoRegions(Server):
    """A server with the regions us and eu."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "")
        settings = self.config.read_text()
        tables = "".join(
            f'[regions.{region}]\ndisk_floor = 0\n[sources.{region}]\nregion = "{region}"\nwrite_key = "{key}"\n'
            f'[destinations.{region}]\ntype = "file"\nregion = "{region}"\n'
            for region, key in REGION_KEYS.items()
        )
        self.config.write_text(settings[: settings.index("[regions.us]")] + tables)

    def delivered(self, region: str) -> list[dict[str, Any]]:
        """Return the events that the file of a region has now."""
        return [line["event"] for line in lines(self.data / region / f"{region}.ndjson")]
