"""A page with Customer.io's browser client on it, opened in a real Chromium, and allowed to reach loopback only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from official import MODULES, need

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

CHROMIUM: Final = Path("/usr/bin/chromium")
BUNDLE: Final = MODULES / "@customerio" / "cdp-analytics-browser" / "dist" / "umd"
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
TITLE: Final = "A page of some shop"
HTML: Final = f"""<!doctype html>
<title>{TITLE}</title>
<link rel="icon" href="data:,">
<script src="/bundle/index.js"></script>
"""
IMPORT: Final = 'import { AnalyticsBrowser } from "@customerio/cdp-analytics-browser";'
# What an app writes, in the form it takes when the package is bundled.
LOAD: Final = """async ({ writeKey, cdnURL, client }) => {
  const { AnalyticsBrowser } = AnalyticsNext;
  window.analytics = AnalyticsBrowser.load(
    { writeKey, cdnURL },
    { integrations: { "Customer.io Data Pipelines": client } },
  );
  return await window.analytics.then(() => "", String);
}"""
TRACK: Final = """async (event) => {
  const { context, integrations, timestamp, userId } = event;
  return await window.analytics.track(
    event.event, event.properties, { context, integrations, timestamp, userId });
}"""


@contextlib.asynccontextmanager
async def browsing() -> AsyncIterator["Browser"]:
    """A Chromium that runs while the context lasts."""
    need(CHROMIUM.exists(), str(CHROMIUM))
    from playwright.async_api import async_playwright  # noqa: PLC0415 - quick tests have no Playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """Serve the page and the client's own bundle; yields the page's address."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=HTML, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_static("/bundle", BUNDLE)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


class Visit:
    """A page that is open, all it asked for, and all it complained of."""

    def __init__(self, page: "Page", own: str) -> None:
        self._page = page
        self._own = own
        self.requested: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def load(self, url: str, key: str, **client: Any) -> str:
        """Start the client, and return why it didn't; `client` are settings of its own integration."""
        await self._page.goto(self._own)
        return str(await self._page.evaluate(LOAD, {"writeKey": key, "cdnURL": url, "client": client}))

    async def track(self, event: dict[str, Any]) -> None:
        """Send one event, as far as the client lets its caller wait for it."""
        await self._page.evaluate(TRACK, event)

    async def run(self, code: str) -> None:
        """Run a module of an app, whose only import is the client."""
        await self._page.goto(self._own)
        program = code.replace(IMPORT, "const { AnalyticsBrowser } = AnalyticsNext;")
        # A client that doesn't start leaves its app waiting for ever.
        await asyncio.wait_for(self._page.evaluate(f"async () => {{ {program} }}"), 20)

    def elsewhere(self, *allowed: str) -> list[str]:
        """Return what was asked of anybody but the page's own server and these."""
        return [url for url in self.requested if not url.startswith((self._own, *allowed))]


@contextlib.asynccontextmanager
async def visiting(browser: "Browser") -> AsyncIterator[Visit]:
    """A visit by somebody who was never here before."""
    async with serving() as own:
        context = await browser.new_context()
        try:
            yield Visit(await context.new_page(), own)
        finally:
            await context.close()
