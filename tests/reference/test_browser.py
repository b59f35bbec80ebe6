"""The page in a real browser: what a reader chooses changes the examples, and a request can be sent."""

import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from postgres_server import require
from server import KEY

from postroad.reference import servers
from postroad.reference.page import docs_headers, docs_page

pytestmark = pytest.mark.full


@pytest.fixture
def browser():
    """An installed Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    require("playwright")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only the full tests have it

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def address(api):
    """The URL of the page, on another origin than the API."""
    known = [servers.ApiServer("us", api), servers.ApiServer("eu", "https://cdp-eu.example.com")]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            for name, value in docs_headers(known):
                self.send_header(name.decode(), value.decode())
            self.end_headers()
            self.wfile.write(docs_page(known))

        def log_message(self, *_arguments):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_address[1]}/docs"
        serving.shutdown()


class Docs:
    """The page, open in a browser, with all that it asked for and complained of."""

    def __init__(self, browser, address, width=1400, **options):
        self.asked, self.complaints = [], []
        self.page = browser.new_context(viewport={"width": width, "height": 900}, **options).new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)
        self.card = self.page.locator("#email-opened .card")

    def choose(self, **setup):
        """Put values into the form at the top of the page."""
        for name, value in setup.items():
            field = self.page.locator(f".setup [name={name}]")
            if name == "server":
                field.select_option(value)
            elif name == "strict":
                field.set_checked(value)
            else:
                field.fill(value)

    def code(self):
        """Return the example that is shown for Email Opened."""
        return self.card.locator(".panel.shown code").inner_text()

    def send(self, body=None):
        """Send the request of Email Opened and return what the page tells of the answer."""
        self.card.get_by_role("tab", name="Try it").click()
        if body is not None:
            self.card.locator("textarea").fill(body)
        self.card.get_by_role("button", name="Send request").click()
        outcome = self.card.locator(".outcome")
        outcome.locator(".status").wait_for()
        self.card.locator(".primary:not([disabled])").wait_for()
        return outcome.inner_text()


def test_a_reader_sends_a_request(api, address, browser):
    """With a key, the answer is shown with status, headers and body; without, with a wrong body: the error."""
    docs = Docs(browser, address)
    assert "401" in docs.send(), docs.complaints
    docs.choose(key=KEY)
    told = docs.send()
    assert "200" in told
    assert "x-request-id: req-" in told
    assert "{}" in told
    told = docs.send('{"userId": "u", "event": "Email Opened"}')
    assert "400" in told
    assert "properties.email_id: is required" in told
    docs.choose(strict=False)
    told = docs.send()
    assert "x-postroad-violations: 2" in told
    failures = [text for text in docs.complaints if "status of 40" not in text]
    assert failures == []
    assert [url for url in docs.asked if not url.startswith((api, address))] == []


def test_the_examples_follow_what_is_chosen(api, address, browser):
    """Server, key and strict mode show in every example, quoted as its language wants."""
    docs = Docs(browser, address)
    assert f"curl {api}/v1/track" in docs.code()
    docs.choose(server="https://cdp-eu.example.com", key="it's")
    assert "curl https://cdp-eu.example.com/v1/track" in docs.code()
    assert "--user 'it'\\''s:'" in docs.code()
    assert "X-Strict-Mode: 1" in docs.code()
    docs.choose(strict=False)
    assert "X-Strict-Mode" not in docs.code()
    docs.card.get_by_role("tab", name="Python").click()
    assert 'auth=("it\'s", "")' in docs.code()
    assert "import requests" in docs.page.locator("#batch .panel.shown code").inner_text()


def test_the_address_that_the_reader_opened_goes_first(api, browser):
    """Served by the API itself, the page offers the address it was opened at, known or not, and sends there."""
    other = api.replace("127.0.0.1", "localhost")
    for opened, known in ((api, [api]), (other, [other, api])):
        docs = Docs(browser, f"{opened}/docs")
        offered = docs.page.locator(".setup option").evaluate_all("all => all.map((option) => option.value)")
        assert offered == known == docs.page.locator("#servers li code").all_inner_texts()
        assert f"curl {opened}/v1/track" in docs.code()
        docs.choose(key=KEY)
        assert "200" in docs.send()
        assert docs.complaints == []


def test_the_quick_starts_follow_what_is_chosen(address, browser):
    """A client's lines name the server, or its host alone, and the key, quoted as its language wants."""
    docs = Docs(browser, address)
    docs.choose(server="https://cdp-eu.example.com", key='k"')
    for client, line in (
        ("segment/analytics-node", 'writeKey: "k\\""'),
        ("Android", '.apiHost("cdp-eu.example.com/v1")'),
    ):
        quick = docs.page.locator("#clients details", has_text=client)
        quick.locator("summary").click()
        assert line in quick.locator("pre").inner_text()


def test_a_link_to_a_model_opens_it(address, browser):
    """From a member to its model: it opens below the bar, and the contents mark where the reader is."""
    docs = Docs(browser, address)
    assert not docs.page.locator("#model-EmailOpened").is_visible()
    docs.page.locator("#email-opened .model-link", has_text="EmailOpened").click()
    docs.page.locator("#contents [aria-current]", has_text="Models").wait_for()
    assert docs.page.locator("#model-EmailOpened").is_visible()
    assert docs.page.locator(".model summary", has_text="EmailOpened").bounding_box()["y"] >= 60
    assert docs.complaints == []


def test_the_first_tab_leads_past_the_contents(address, browser):
    """The first thing a keyboard reaches is the way to the content, and it leads there."""
    docs = Docs(browser, address)
    docs.page.keyboard.press("Tab")
    assert docs.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    docs.page.keyboard.press("Enter")
    docs.page.keyboard.press("Tab")
    assert docs.page.evaluate("document.activeElement.closest('main') !== null")


def test_tabs_work_with_the_keyboard(address, browser):
    """Arrow keys move between tabs, and one tab at a time can be reached with Tab."""
    docs = Docs(browser, address)
    docs.card.get_by_role("tab", name="curl").focus()
    docs.page.keyboard.press("ArrowRight")
    docs.page.keyboard.press("ArrowRight")
    assert docs.card.locator("[role=tab][aria-selected=true]").inner_text() == "Node"
    assert docs.card.locator("[role=tab][tabindex='0']").all_inner_texts() == ["Node"]
    docs.page.keyboard.press("Home")
    assert docs.card.locator("[role=tab][aria-selected=true]").inner_text() == "curl"
    assert docs.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(address, browser, scheme):
    """At 360 pixels nothing is wider than the screen, and the contents open, lead somewhere and close."""
    docs = Docs(browser, address, width=360, color_scheme=scheme)
    assert docs.page.evaluate("document.documentElement.scrollWidth") == 360
    contents = docs.page.locator("#contents")
    assert not contents.is_visible()
    docs.page.get_by_role("button", name="Contents").click()
    contents.get_by_role("link", name="Email Bounced").click()
    assert not contents.is_visible()
    assert docs.page.locator("#email-bounced h2").is_visible()
    assert docs.complaints == []


def test_it_can_be_read_without_scripts(address, browser):
    """With scripts off, all examples are shown, and what needs a script is not."""
    docs = Docs(browser, address, java_script_enabled=False)
    for panel in ("curl", "Python", "Node"):
        assert docs.card.locator(f".panel[data-panel={panel}]").is_visible()
    for needless in (".setup", "#email-opened .tabs", "#email-opened .try", "#email-opened .copy"):
        assert not docs.page.locator(needless).is_visible()
