"""The JSON schema for editors: takes what is right, and refuses what is plainly wrong."""

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import msgspec
import pytest

from postroad import registry
from postroad.config.declared import settings_of
from postroad.config.model import Destination
from postroad.config.schema import json_schema, schema

ROOT = Path(__file__).parents[2]
TYPES = {
    section: {name: registry.settings_type(section, name) for name in names}
    for section, names in (("sources", registry.SOURCES), ("destinations", registry.DESTINATIONS))
}
SCHEMA = json.loads(json_schema(TYPES))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
SETTING = re.compile(r"^# (?=\[|[a-z_0-9.]+ = )", re.MULTILINE)
PAGES = [ROOT / "README.md", ROOT / "ADDING_A_DESTINATION.md", *(ROOT / "docs").rglob("*.md")]


def examples():
    """Return every TOML block of the pages, and the default file as it is and with each setting uncommented."""
    for page in PAGES:
        for number, block in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)):
            if page.name != "ADDING_A_DESTINATION.md":  # a type of the reader's own
                yield pytest.param(block, id=f"{page.name}-{number}")
    default = (ROOT / "docs" / "reference" / "postroad.default.toml").read_text()
    yield pytest.param(default, id="default")
    yield pytest.param(SETTING.sub("", default), id="default-uncommented")


def faults(text):
    """Return what the schema finds wrong with a file: the paths, and what is said."""
    document = tomllib.loads(text)
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def test_it_is_a_schema():
    """It is a JSON schema of the draft that it names."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", list(examples()))
def test_it_takes_every_example(text):
    """Each example of the docs passes."""
    assert faults(text) == []


RIGHT = '[sources.app]\nwrite_key = "k"\n[destinations.d]\n'


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[servr]\n", "servr"),
        ('[server]\nbnd = "127.0.0.1:80"\n', "$.server: Additional properties"),
        ('[server]\nbind = "127.0.0.1"\n', "$.server.bind"),
        ('[server]\nstrict = "sometimes"\n', "$.server.strict"),
        ('[regions.us]\nretention = "30 days"\n', "$.regions.us.retention"),
        ('[regions.us]\ndisk_floor = "many"\n', "$.regions.us.disk_floor"),
        ("[regions.us]\ndedup_max_ids = 0\n", "$.regions.us.dedup_max_ids"),
        ('[sources.app]\nwrite_kye = "k"\n', "write_kye"),
        ('[sources.app]\nwrite_key = "k"\nmay = ["destroy"]\n', "$.sources.app.may"),
        (f'{RIGHT}type = "webhok"\n', "$.destinations.d.type"),
        (f'{RIGHT}type = "webhook"\n', "'url' is a required property"),
        (f'{RIGHT}url = "https://x.example"\n', "'type' is a required property"),
        (f'{RIGHT}type = "file"\nurl = "https://x.example"\n', "'url' was unexpected"),
        (f'{RIGHT}type = "file"\nenabled = 1\n', "$.destinations.d.enabled"),
        (f'{RIGHT}type = "file"\n[destinations.d.pii]\nemail = "hide"\n', "$.destinations.d.pii.email"),
        (f'{RIGHT}type = "file"\nevents = []\n', "$.destinations.d.events"),
    ],
)
def test_it_refuses_what_is_wrong(text, where):
    """A misspelt key, a value of another sort and a setting that is missing are each found, at their place."""
    assert any(where in fault for fault in faults(text)), faults(text)


def test_a_variable_may_stand_for_any_value():
    """`${NAME}` is taken where a number, a boolean or a list is wanted, as the server takes it."""
    text = f'{RIGHT}type = "${{TYPE}}"\nenabled = "${{ON}}"\nconcurrency = "${{N}}"\nevents = "${{EVENTS}}"\n'
    assert faults(text) == []


def test_types_of_other_packages():
    """A schema that is made where another package is installed knows its type and that type's settings."""

    class Settings(msgspec.Struct):
        pages: int

    types = {"sources": {}, "destinations": {"pager": Settings}}
    validator = jsonschema.Draft7Validator(schema(types))
    assert validator.is_valid({"destinations": {"d": {"type": "pager", "pages": 3, "timeout": "5s"}}})
    assert not validator.is_valid({"destinations": {"d": {"type": "pager", "pages": "three"}}})
    assert not validator.is_valid({"destinations": {"d": {"type": "file"}}})


def test_every_setting_is_in_it():
    """Each of our types has a case with its own settings beside those that all share."""
    cases = SCHEMA["properties"]["destinations"]["additionalProperties"]["allOf"]
    shared = {setting.key for setting in settings_of(Destination)}
    for name in registry.DESTINATIONS:
        [case] = [case for case in cases if case["if"]["properties"]["type"]["const"] == name]
        own = {setting.key for setting in settings_of(registry.settings_type("destinations", name))}
        assert case["then"]["properties"].keys() == shared | own
