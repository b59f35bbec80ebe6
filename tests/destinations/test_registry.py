"""Types of destinations are found by name, and their settings checked."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from postroad import registry
from postroad.destinations.console import Console
from postroad.destinations.webhook import Webhook
from postroad.errors import ConfigError, UsageError
from postroad.registry import DESTINATIONS, destination_types, load, settings_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_every_built_in_loads() -> None:
    """Each name of the table leads to its class, and the table names every module of a destination."""
    types: list[Any] = [load(name) for name in destination_types()]
    assert [type_.__name__.lower() for type_ in types] == [name.replace("_", "") for name in DESTINATIONS]
    folder = Path(registry.__file__).parent / "destinations"
    paths = [path for path in folder.rglob("*.py") if "def takes(" in path.read_text()]
    modules = {path.parent.stem if path.stem == "__init__" else path.stem for path in paths} - {"base"}
    assert {place.partition(":")[0].rpartition(".")[2] for place in DESTINATIONS.values()} == modules


def test_an_unknown_type_is_refused_with_the_nearest() -> None:
    """A misspelled type names what was probably meant."""
    with pytest.raises(UsageError, match=r"'webhok' is not a type of destination; did you mean `webhook`\?"):
        load("webhok")
    with pytest.raises(ConfigError) as caught:
        settings_of("webhok", {}, "destinations.crm")
    assert caught.value.problems == ("destinations.crm.type: is not a type of destination; did you mean `webhook`?",)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points of another package: a new type, a broken one, and one that wants a name of ours."""
    points = [
        EntryPoint("pager", "postroad.destinations.console:Console", registry.ENTRY_POINTS),
        EntryPoint("broken", "no_such_package:Broken", registry.ENTRY_POINTS),
        EntryPoint("webhook", "no_such_package:Thief", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])


@pytest.mark.usefixtures("plugin")
def test_other_packages_add_types() -> None:
    """An entry point adds a type but can't take over one of ours."""
    assert destination_types() == [*DESTINATIONS, "broken", "pager"]
    assert load("pager") is Console
    assert load("webhook") is Webhook


@pytest.mark.usefixtures("plugin")
def test_a_broken_package_is_a_sentence() -> None:
    """A type that can't be imported is an error that says from where."""
    with pytest.raises(UsageError, match=r"'broken' can't be loaded from no_such_package:Broken"):
        load("broken")


def test_settings_are_read() -> None:
    """Right settings become the type's own struct, defaults included."""
    raw = {"url": "https://crm.example.com/hook", "secret": SECRET, "headers": {"Authorization": "Bearer t"}}
    settings: Any = settings_of("webhook", raw, "destinations.crm")
    assert isinstance(settings, Webhook.Settings)
    assert [key.reveal() for key in settings.secret] == [SECRET]
    assert settings.url.reveal() == raw["url"]


def test_all_problems_are_listed() -> None:
    """Unknown, missing and wrong settings are reported together, each with its place and near miss."""
    raw = {"secret": "whsec_abc", "hedaers": {}, "enabeld": True, "headers": {"a": 1}}
    with pytest.raises(ConfigError) as caught:
        settings_of("webhook", raw, "destinations.crm")
    assert set(caught.value.problems) == {
        "destinations.crm.hedaers: is not a setting of type `webhook`; did you mean `headers`?",
        "destinations.crm.enabeld: is not a setting of type `webhook`; did you mean `enabled`?",
        "destinations.crm.url: is required",
        "destinations.crm.secret: must be whsec_ and the base64 of 24 to 64 bytes; `openssl rand -base64 32` makes one",
        "destinations.crm.headers.a: must be a text, not a whole number",
    }


@pytest.mark.parametrize(
    ("type_name", "raw", "problem"),
    [
        ("file", {"rotate_bytes": 0}, "rotate_bytes: must be a whole number >= 1"),
        ("file", {"keep": "three"}, "keep: must be a whole number, not a text"),
        ("console", {"prefix": 1}, "prefix: must be a text, not a whole number"),
        ("webhook", {"url": "crm.example.com"}, "url: must be an address like https://example.com/path"),
        ("webhook", {"url": "ftp://crm.example.com"}, "url: must start with https:// or http://"),
        ("webhook", {"url": "http://2130706433/"}, "url: has no host, or an IP address in an unusual notation"),
        ("webhook", {"url": "http://0x7f.1/"}, "url: has no host, or an IP address in an unusual notation"),
        ("webhook", {"url": "https://h", "secret": "whsk_abc"}, "secret: must be whsec_ and the base64"),
        ("webhook", {"url": "https://h", "secret": f"{SECRET[:-4]}!!!!{SECRET[-4:]}"}, "secret: must be whsec_ and"),
        ("webhook", {"url": "https://h", "secret": [SECRET, "whsec_c2hvcnQ="]}, "secret[1]: must be whsec_ and"),
        ("webhook", {"url": "https://h", "secret": ""}, "secret: is empty"),
        ("webhook", {"url": "https://h", "secret": []}, "secret: is an empty list; leave it out to do without"),
        (
            "webhook_batch",
            {"url": "https://u@h", "headers": {"authorization": "x"}},
            "headers.authorization: can't go with the credentials in `url`; leave out one",
        ),
        ("segment", {"url": "https://u:p@h", "write_key": "k"}, "url: can't have a name and a password"),
        ("customerio", {"url": "https://:p@h", "write_key": "k"}, "url: can't have a name and a password"),
        ("mixpanel", {"url": "https://u@h", "project_token": "k"}, "url: can't have a name and a password"),
        ("webhook", {"url": "https://h", "headers": {"Webhook-Id": "x"}}, "headers.Webhook-Id: is set by Postroad"),
        ("webhook", {"url": "https://h", "headers": {"a b": "x"}}, 'headers."a b": can\'t be sent'),
        ("webhook", {"url": "https://h", "headers": {"X": "a\r\nY: b"}}, "headers.X: can't be sent"),
    ],
)
def test_a_wrong_setting_is_a_sentence(type_name: str, raw: Mapping[str, object], problem: str) -> None:
    """Each rule of a setting is reported with the setting's path."""
    with pytest.raises(ConfigError) as caught:
        settings_of(type_name, raw, "destinations.d")
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"destinations.d.{problem}")


def test_settings_show_no_secret() -> None:
    """Settings as they print hide keys, header values and what a URL may hold."""
    raw = {
        "url": "https://user:pass@crm.example.com/path?token=query",
        "secret": [SECRET],
        "headers": {"X-Api-Key": "Bearer abc"},
    }
    shown = repr(settings_of("webhook", raw, "destinations.crm"))
    assert "https://crm.example.com/***" in shown
    assert [text for text in ("user", "pass@", "path", "query", SECRET, "abc") if text in shown] == []
