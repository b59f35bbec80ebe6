"""Where the API is: an address for each region."""

from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import urlsplit

_REGIONS: Final = {"us": "United States", "eu": "European Union"}


class ApiServer(NamedTuple):
    """An address that takes calls, such as `https://cdp.example.com`, and the region whose keys it knows."""

    region: str
    url: str

    @property
    def base(self) -> str:
        """The address without a slash at its end: paths follow it."""
        return self.url.rstrip("/")

    @property
    def place(self) -> str:
        """What a reader calls the region."""
        return _REGIONS.get(self.region, f"Region {self.region}")

    @property
    def description(self) -> str:
        """What sets this server apart from the others."""
        return f"{self.place}: takes the write keys of region `{self.region}`, whose events never leave it."


def origins(servers: Iterable[ApiServer]) -> list[str]:
    """Return scheme, host and port of each server, each once: what a browser has to be allowed to call."""
    found = (urlsplit(server.url) for server in servers)
    return list(dict.fromkeys(f"{url.scheme}://{url.netloc}" for url in found))
