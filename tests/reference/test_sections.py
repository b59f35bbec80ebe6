"""What is on the reference page: every section is found, every model, code and client is there."""

import itertools
import json
import re

from page_elements import Element, section
from postroad.contract.limits import BATCH_BYTES, DEPTH, EVENT_BYTES, ITEMS
from postroad.contract.refusals import Error
from postroad.contract.violations import Code
from postroad.reference.clients import clients
from postroad.reference.openapi import openapi
from postroad.reference.snippets import plain


def plain_text(prose):
    """Return a sentence without its marks."""
    return prose.replace("`", "")


def test_every_section_is_in_the_contents(page):
    """Whoever adds a section adds its link, and the links are in the order of the page."""
    sections = [
        element.attributes["id"]
        for element in next(page.all(tag="main")).inside
        if isinstance(element, Element) and element.tag == "section"
    ]
    assert [link.attributes["href"][1:] for link in next(page.all(tag="nav")).all(tag="a")] == sections


def test_every_model_is_shown_with_its_members(page, servers):
    """Each schema of the document is there with all that is in it, and those that are required are marked."""
    schemas = openapi(servers)["components"]["schemas"]
    models = {each.attributes["id"]: each for each in section(page, "models").all(**{"class": "model-body"})}
    assert list(models) == [f"model-{name}" for name in schemas]
    for name, schema in schemas.items():
        shown = list(models[f"model-{name}"].all(**{"class": "field"}))
        names = {next(row.all(**{"class": "name"})).text for row in shown}
        required = {next(row.all(**{"class": "name"})).text for row in shown if list(row.all(**{"class": "need"}))}
        assert set(schema.get("properties", ())) <= names
        assert set(schema.get("required", ())) <= required
        assert plain_text(schema["description"]) in models[f"model-{name}"].text


def test_a_model_is_linked_from_where_it_is_used(page, servers):
    """A body, a member or an answer that is made of a model leads to it; what nothing uses is not there."""
    document = openapi(servers)
    used = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    links = {link.attributes["href"] for link in page.all(**{"class": "model-link"})}
    assert (
        links == {f"#model-{name}" for name in used} == {f"#model-{name}" for name in document["components"]["schemas"]}
    )
    assert "#model-EmailOpened" in {link.attributes["href"] for link in section(page, "email-opened").all(tag="a")}
    assert "#model-Error" in {link.attributes["href"] for link in section(page, "batch").all(tag="a")}


def test_the_limits_are_the_contract_s(page):
    """What an event and a batch may hold is said in the figures that the contract has."""
    told = section(page, "limits").text
    for figure in (
        f"{EVENT_BYTES // 1024} KiB",
        f"{BATCH_BYTES // 1024} KiB",
        f"{ITEMS:,} calls",
        f"up to {DEPTH} deep",
    ):
        assert figure in " ".join(told.split())


def test_the_codes_are_all_there(page):
    """Each code of an error stands with its sentence, that of an answer with its status, too."""
    told = {
        next(row.all(tag="dt")).text: next(row.all(tag="dd")).text
        for row in section(page, "errors").all(tag="div")
        if list(row.all(tag="dt"))
    }
    for error in Error:
        assert f"{error.status}. {plain_text(error.means)}" == told[error.code]
    for code in Code:
        assert plain_text(code.means) == told[code.value]


def test_the_versions_are_shown(page):
    """Beside the title: the API's version and that of OpenAPI."""
    assert [badge.text for badge in page.all(**{"class": "badge"})] == ["v1.0.0", "OpenAPI 3.1.0"]


def test_every_client_has_its_quick_start(page):
    """Each client library is there with the lines it needs, for the server and the key that are chosen."""
    shown = {
        next(each.all(tag="h3")).text: next(each.all(tag="pre")).text
        for each in section(page, "clients").all(tag="details")
    }
    assert shown == {each.title: plain(each.snippet, "https://cdp.example.com", "YOUR_WRITE_KEY") for each in clients()}


def test_headings_are_in_order(page):
    """The first is the only h1, and none is more than a level below the one before it."""
    levels = [int(element.tag[1]) for element in page.all() if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
