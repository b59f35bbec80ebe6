"""The pages in `docs/clients/`: what they tell a reader to write works, in both regions."""

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from modes import REGION_KEYS, TwoRegions
from official import JARS, MODULES, PATIENCE, install_java_clients
from pages import visiting
from server import until

if TYPE_CHECKING:
    from playwright.async_api import Browser

DOCS: Final = Path(__file__).parents[2] / "docs" / "clients"
PAGES: Final = sorted(path.stem for path in DOCS.glob("*.md") if path.name != "README.md")
PROGRAMS: Final = {
    "python": ("snippet.py", sys.executable),
    "js": ("snippet.mjs", "node"),
    "sh": ("snippet.sh", "bash"),
    "java": ("Snippet.java", "java", "-cp", f"{JARS}/*"),
}
RUN: Final = [
    pytest.param(page, marks=() if page == "curl" else pytest.mark.full)
    for page in PAGES
    if page.startswith(("python", "node", "java", "curl"))
]
HOSTS: Final = {"us": "cdp.example.com", "eu": "cdp-eu.example.com"}

pytestmark = pytest.mark.asyncio(loop_scope="session")
in_each_region = pytest.mark.parametrize("region", HOSTS)


def snippet(page: str, region: str) -> tuple[str, str]:
    """Return the language and the code of a page's block for one region."""
    text = (DOCS / f"{page}.md").read_text()
    found = re.search(rf"## {region.upper()}\n\n```(\w+)\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1], found[2]


async def arrives(regions: TwoRegions, region: str, count: int) -> None:
    """Wait until a region has more than `count` events; the last is what the pages send, and the other got none."""

    async def came() -> bool:
        return len(regions.delivered(region)) > count

    await until(came, f"an event in region {region}", patience=20)
    event = regions.delivered(region)[-1]
    assert event["userId"] == "user_12345"
    assert event["event"].startswith("Email ")
    assert event["properties"]["email_id"] == "msg_abc123"


@in_each_region
@pytest.mark.parametrize("page", RUN)
async def test_the_snippet_works(
    page: str, region: str, regions: TwoRegions, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The page's program, with the host replaced, ends well; its event is in its region and nowhere else."""
    language, code = snippet(page, region)
    if language == "js":
        request.getfixturevalue("node_clients")
        (tmp_path / "node_modules").symlink_to(MODULES)
    if language == "java":
        install_java_clients()
    name, *program = PROGRAMS[language]
    (tmp_path / name).write_text(code.replace(f"https://{HOSTS[region]}", regions.url))
    before = {place: len(regions.delivered(place)) for place in HOSTS}
    child = await asyncio.create_subprocess_exec(*program, name, cwd=tmp_path, stderr=asyncio.subprocess.PIPE)
    _, complaints = await asyncio.wait_for(child.communicate(), PATIENCE)
    assert child.returncode == 0, complaints.decode()
    await arrives(regions, region, before[region])
    assert sum(len(regions.delivered(place)) for place in HOSTS) == sum(before.values()) + 1


@in_each_region
@pytest.mark.full
async def test_the_snippet_works_in_a_browser(region: str, regions: TwoRegions, browser: "Browser") -> None:
    """The browser page's program, with the host replaced, runs in a page; its event is in its region."""
    _, code = snippet("browser", region)
    before = len(regions.delivered(region))
    async with visiting(browser) as visit:
        await visit.run(code.replace(f"https://{HOSTS[region]}", regions.url))
        await arrives(regions, region, before + 1)


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_shows_both_regions(page: str) -> None:
    """The block for the EU is the block for the US with another host and another key, and nothing else."""
    language, code = snippet(page, "us")
    assert HOSTS["us"] in code
    assert REGION_KEYS["us"] in code
    european = code.replace(HOSTS["us"], HOSTS["eu"]).replace(REGION_KEYS["us"], REGION_KEYS["eu"])
    assert snippet(page, "eu") == (language, european)


async def test_the_index_names_every_page() -> None:
    """No page is hidden, and no link is dead."""
    linked = re.findall(r"\]\((\w[\w-]*)\.md\)", (DOCS / "README.md").read_text())
    assert sorted(linked) == PAGES
