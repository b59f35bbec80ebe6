"""The quick starts on the page are those of `docs/clients`, which are run with the clients themselves."""

import re
from pathlib import Path

import pytest

import golden_files
from postroad.reference.clients import clients
from postroad.reference.snippets import plain

DOCS = Path(__file__).parents[2] / "docs" / "clients"


def block(client, region):
    """Return a page's part that shows the code for one region."""
    host = {"us": "cdp.example.com", "eu": "cdp-eu.example.com"}[region]
    code = plain(client.snippet, f"https://{host}", f"{region.upper()}_WRITE_KEY")
    return f"## {region.upper()}\n\n```{client.language}\n{code}\n```\n\n"


@pytest.mark.parametrize("client", clients(), ids=lambda client: client.page)
def test_a_page_begins_with_its_quick_start(client):
    """Title, installation and both regions' code in `docs/clients` are made of `clients.toml`; the rest is prose."""
    path = DOCS / f"{client.page}.md"
    install = f"```sh\n{client.install}\n```\n\n" if client.install else ""
    begins = f"# {client.title}\n\n{install}{block(client, 'us')}{block(client, 'eu')}"
    rest = re.search(r"^## On errors$.*", path.read_text(), re.DOTALL | re.MULTILINE)[0]
    golden_files.check(path, begins + rest)


def test_every_page_has_a_quick_start():
    """No client is in `docs/clients` and not on the page, and both tell them in the same order."""
    linked = re.findall(r"\]\((\w[\w-]*)\.md\)", (DOCS / "README.md").read_text())
    assert [client.page for client in clients()] == linked
