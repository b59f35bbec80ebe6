"""The reference page: it says what the document says, loads nothing, and lets no text become markup."""

import base64
import hashlib
import re

import pytest

from page_elements import read, section
from postroad.contract.calls import Type
from postroad.contract.email import Kind
from postroad.reference.examples import CALLS, email_example
from postroad.reference.openapi import openapi
from postroad.reference.page import docs_headers
from postroad.reference.schemas import component
from postroad.reference.servers import ApiServer
from postroad.reference.snippets import Exchange, plain, snippets

POLICY = b"content-security-policy"


def anchor(kind):
    """Return the id of an event's section."""
    return kind.event.lower().replace(" ", "-")


def test_every_link_and_label_has_its_target(page):
    """Ids are unique; every link inside the page, every label and every tab points at something."""
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    named = ("aria-controls", "aria-labelledby", "for")
    targets = [element.attributes[name] for element in page.all() for name in named if name in element.attributes]
    links = [link.attributes["href"] for link in page.all(tag="a")]
    targets += [link[1:] for link in links if link.startswith("#")]
    assert set(targets) <= set(ids)
    assert [link for link in links if not link.startswith("#")] == ["openapi.json"]


def test_it_loads_nothing(page):
    """No element asks for anything from anywhere, and no attribute carries a style or a script."""
    for element in page.all():
        assert element.tag not in {"img", "iframe", "object", "embed"}
        assert "src" not in element.attributes
        assert not [name for name in element.attributes if name == "style" or name.startswith("on")]
    icon = next(page.all(tag="link"))
    assert icon.attributes["href"].startswith("data:")
    assert "url(" not in next(page.all(tag="style")).text


def test_the_policy_allows_only_the_page_s_own_style_and_script(servers, page):
    """The policy's hashes are those of what is on the page, and it names the servers and nobody else."""
    headers = dict(docs_headers(servers))
    policy = headers[b"content-security-policy"].decode()
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(next(page.all(tag=tag)).text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "connect-src https://cdp.example.com https://cdp-eu.example.com;" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("kind", Kind)
def test_an_event_s_section_has_every_member_and_marks_the_required_ones(page, servers, kind):
    """Every member of the event is there with its sentence; those strict mode requires are marked, no others."""
    schemas = openapi(servers)["components"]["schemas"]
    schema = schemas[component(kind)]
    properties = schemas[schema["properties"]["properties"]["$ref"].rpartition("/")[2]]
    found = section(page, anchor(kind))
    rows = {next(row.all(**{"class": "name"})).text: row for row in found.all(**{"class": "field"})}
    assert set(schema["properties"]) | set(properties["properties"]) <= set(rows)
    marked = {name for name, row in rows.items() if list(row.all(**{"class": "need"}))}
    assert marked == {*schema["required"], *properties["required"]}
    assert kind.event in found.text
    assert [status.text for status in found.all(**{"class": "status bad"})] == ["400", "401", "429", "503"]


@pytest.mark.parametrize("kind", Kind)
def test_the_examples_read_as_they_are_sent(page, kind):
    """What a reader copies is the snippet itself, in each language, and the form holds the same body."""
    exchange = Exchange("POST", "/v1/track", email_example(kind))
    found = section(page, anchor(kind))
    panels = {panel.attributes["data-panel"]: panel for panel in found.all(role="tabpanel")}
    assert list(panels) == ["curl", "Python", "Node", "Try it"]
    for language, snippet in snippets(exchange).items():
        code = next(panels[language].all(tag="code")).text
        assert code == plain(snippet, "https://cdp.example.com", "YOUR_WRITE_KEY")
    assert '"email_id": "msg_7f3a9c"' in next(panels["Try it"].all(tag="textarea")).text


def test_every_call_has_a_section(page):
    """All the calls, the batch and the settings are there, and in the contents."""
    names = [*(call.wire for call in CALLS if call is not Type.TRACK), "batch", "settings", "any-event"]
    contents = {link.attributes["href"] for link in next(page.all(tag="nav")).all(tag="a")}
    for name in names:
        assert section(page, name)
        assert f"#{name}" in contents
    assert "At least one of userId, anonymousId or traits.email is required." in section(page, "identify").text


def test_the_page_tells_only_a_server_that_takes_calls_to_call_itself(servers, page):
    """Where the page's own address takes calls the policy allows it and the script is told; elsewhere neither."""
    own = read(servers, takes_calls=True)
    assert [("data-own" in next(each.all(name="server")).attributes) for each in (own, page)] == [True, False]
    assert b"connect-src 'self' https://cdp.example.com" in dict(docs_headers(servers, takes_calls=True))[POLICY]
    assert b"'self'" not in dict(docs_headers(servers))[POLICY]


def test_without_scripts_everything_can_be_read(page):
    """Nothing is hidden by the page itself: only with a script do panels become tabs."""
    style = next(page.all(tag="style")).text
    assert not [element for element in page.all() if "hidden" in element.attributes]
    hiding = re.findall(r"([^{}]+)\{[^}]*display: none", style)
    selectors = [selector for rule in hiding for selector in rule.split(",")]
    assert any(".panel" in selector for selector in selectors)
    assert all(".panel" not in selector or ".js" in selector for selector in selectors)


def test_a_server_s_name_stays_text():
    """Regions and addresses from the configuration can't become markup or widen the policy."""
    hostile = [ApiServer('"><script>x</script>', "https://a.example/'\"><script>y</script>")]
    found = read(hostile)
    assert len(list(found.all(tag="script"))) == 1
    assert b"script>" not in dict(docs_headers(hostile))[b"content-security-policy"]
    option = next(next(found.all(name="server")).all(tag="option"))
    assert option.attributes == {"value": "https://a.example/'\"><script>y</script>"}
    assert option.text == 'Region "><script>x</script>'
    assert "curl https://a.example/'\"><script>y</script>/v1/track" in section(found, "introduction").text
