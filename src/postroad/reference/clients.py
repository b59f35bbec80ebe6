"""The quick starts of the client libraries, as `clients.toml` has them."""

import tomllib
from importlib.resources import files
from typing import NamedTuple

from postroad.reference.snippets import HOST, KEY, SERVER


class Client(NamedTuple):
    """A client library: its page in `docs/clients`, its name, and the few lines that it needs."""

    page: str
    title: str
    language: str
    code: str
    install: str = ""

    @property
    def snippet(self) -> str:
        """The code with marks where the reader's server and key go."""
        code = self.code.replace("https://cdp.example.com", SERVER).replace("cdp.example.com", HOST)
        return code.replace("US_WRITE_KEY", KEY).rstrip()


def clients() -> list[Client]:
    """Return the client libraries in the order of the file."""
    table = tomllib.loads(files(__package__).joinpath("clients.toml").read_text("utf-8"))
    return [Client(page, **client) for page, client in table.items()]
